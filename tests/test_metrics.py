"""Metrics, read back by Prometheus' own parser."""

from prometheus_client.parser import text_string_to_metric_families

from feedbridge.metrics import MAX_SOURCES, Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_everything_is_counted_under_its_name() -> None:
    """Each call moves the metric that the README names."""
    metrics = Metrics(version="1.2.3", started=1_700_000_000)
    metrics.poll("voa", "changed", 0.2)
    metrics.poll("voa", "failed", 20)
    metrics.late(7)
    metrics.articles("voa", new=3, changed=1)
    metrics.kept("voa", 120)
    metrics.queue(4)
    metrics.work(waiting=3, running=2, failed=1, workers=5)
    metrics.answered(200)
    metrics.answered(304)
    metrics.answered(304)
    metrics.sent(1000)
    metrics.loop_lag(0.002)
    found = samples(metrics)
    expected = {
        ("feedbridge_polls_total", (("outcome", "changed"), ("source", "voa"))): 1,
        ("feedbridge_polls_total", (("outcome", "failed"), ("source", "voa"))): 1,
        ("feedbridge_poll_duration_seconds_count", ()): 2,
        ("feedbridge_poll_duration_seconds_sum", ()): 20.2,
        ("feedbridge_poll_lateness_seconds_sum", ()): 7,
        ("feedbridge_articles_new_total", (("source", "voa"),)): 3,
        ("feedbridge_articles_changed_total", (("source", "voa"),)): 1,
        ("feedbridge_articles_kept", (("source", "voa"),)): 120,
        ("feedbridge_queue_length", ()): 4,
        ("feedbridge_jobs", (("state", "waiting"),)): 3,
        ("feedbridge_jobs", (("state", "running"),)): 2,
        ("feedbridge_jobs", (("state", "failed"),)): 1,
        ("feedbridge_workers", ()): 5,
        ("feedbridge_responses_total", (("class", "2xx"),)): 1,
        ("feedbridge_responses_total", (("class", "3xx"),)): 2,
        ("feedbridge_responses_total", (("class", "5xx"),)): 0,
        ("feedbridge_served_bytes_total", ()): 1000,
        ("feedbridge_loop_lag_seconds_count", ()): 1,
        ("feedbridge_build_info", (("version", "1.2.3"),)): 1,
        ("feedbridge_process_start_time_seconds", ()): 1_700_000_000,
    }
    assert {key: found[key] for key in expected} == expected


def test_labels_are_bounded() -> None:
    """However many sources there are, at most 200 have labels of their own, and the rest add up."""
    metrics = Metrics()
    for number in range(10_000):
        metrics.poll(f"s{number}", "unchanged", 0.1)
        metrics.kept(f"s{number}", 5)
    metrics.kept("s9999", 7)
    metrics.kept("s9998", 0)
    found = samples(metrics)
    labels = {dict(key)["source"] for _, key in found if "source" in dict(key)}
    assert len(labels) == MAX_SOURCES + 1
    assert found["feedbridge_polls_total", (("outcome", "unchanged"), ("source", "other"))] == 9_800
    assert found["feedbridge_articles_kept", (("source", "other"),)] == 9_800 * 5 + 2 - 5


def test_a_source_named_other_is_one_of_the_rest() -> None:
    """The label of the rest belongs to no single source."""
    metrics = Metrics()
    metrics.kept("other", 1)
    metrics.kept("voa", 2)
    found = samples(metrics)
    assert found["feedbridge_articles_kept", (("source", "other"),)] == 1


def test_two_programs_share_nothing() -> None:
    """Each instance has a registry of its own."""
    first, second = Metrics(), Metrics()
    first.queue(9)
    assert samples(second)["feedbridge_queue_length", ()] == 0


def test_a_clock_that_goes_back_is_no_negative_time() -> None:
    """Lateness and lag are never below nothing."""
    metrics = Metrics()
    metrics.late(-5)
    metrics.loop_lag(-5)
    found = samples(metrics)
    assert found["feedbridge_poll_lateness_seconds_sum", ()] == 0
    assert found["feedbridge_loop_lag_seconds_sum", ()] == 0
