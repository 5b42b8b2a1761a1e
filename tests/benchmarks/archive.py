"""Seeded archives of saved articles, with the sizes, pictures and traps of real ones; and the same articles for Hugo.

The figures are those of tens of thousands of articles that mirrors of news have kept: 28 kB the mean, 15 kB the median,
38 kB and 138 kB the 90th and 99th of a hundred, 669 kB the longest, and 6.4 pictures. The sizes of any archive are
spread evenly over them, so that one of 500 has longer articles as often as one of 50,000.

Hugo reads no file without front matter. So it gets a folder of its own, written before anything is timed, in which each
file has the same name, and the same text behind a title, a date and a link.
"""

import json
import os
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

OLDEST = datetime(2019, 1, 1, 6, tzinfo=UTC)
OF_OLD = datetime(1996, 1, 1, 6, tzinfo=UTC)
"""Stamps in milliseconds have one digit less up to 2001."""

WRITTEN = 1_700_000_000
"""When the files seem to have been written, seconds since the epoch: long enough ago."""

SIZES = ((0.0, 600), (0.05, 6_500), (0.5, 15_000), (0.9, 38_000), (0.99, 138_000), (1.0, 669_000))
"""So many of all articles are at most so many bytes long; in between, lines."""

PICTURES = {0: 15, 1: 24, 2: 10, 4: 12, 8: 13, 16: 15, 34: 11}
"""How many an article has, and how often of a hundred times; short ones have room for fewer."""

TRAPS = {
    "front matter alone": 0.09,
    "same link": 0.037,
    "advert": 0.1,
    "null": 0.02,
    "parentheses": 0.007,
    "non-ASCII": 0.007,
    "doubled slash": 0.007,
    "encoded twice": 0.007,
    "brackets": 0.004,
    "no marker": 0.003,
    "NaN": 0.003,
    "old marker": 0.002,
    "invalid front matter": 0.003,
    "control characters": 0.003,
    "entities": 0.002,
    "two lines": 0.001,
    "no title": 0.001,
    "newline in the name": 0.001,
}
"""How often each occurs; in every archive at least once."""

_CHARACTERS = (
    "北方市场今天会议声明经济合作天气记者报道计划安全河流城市学校老师问题部长表示新闻发展社会政府人民国家"
    "世界历史文化教育技术研究生活工作时间消息情况关系组织活动影响需要继续认为提出决定开始进行参加支持"
)
_ENGLISH = re.findall(
    r"\w+",
    "river market today meeting statement city school plan minister reporter bridge road the of and in that for with"
    " was said has been after government people report new year country trade water court police health company",
)
_PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
_ADVERT = '<hr><p>获取更多RSS：<br><a href="https://feedx.example">https://feedx.example</a></p>'
_BARE, _JEKYLL = 0.65, 0.35


@dataclass(frozen=True, kw_only=True, slots=True)
class Article:
    """A file of an archive.

    Attributes:
        number: Of the article that it tells of; its link ends with it.
        name: Of the file, relative to the archive.
    """

    number: int
    published: datetime
    name: str
    text: str
    for_hugo: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """Articles on disk.

    Attributes:
        files: The folder.
        numbers: Those of the articles that there are, the newest first.
        count: How many files tell of them.
    """

    files: Path
    numbers: Sequence[int]
    count: int


def write_archive(folder: Path, count: int) -> Archive:
    """Write so many files."""
    files, published = folder / "articles", {}
    for article in articles(count):
        write(files / article.name, article.text)
        published[article.number] = article.published
    return Archive(files=files, numbers=sorted(published, key=published.__getitem__, reverse=True), count=count)


def write_for_hugo(archive: Archive, folder: Path) -> None:
    """Write the same articles as Hugo can read them."""
    for article in articles(archive.count):
        write(folder / article.name.replace("\n", " "), article.for_hugo)


def write(path: Path, text: str, *, age: int = 0) -> None:
    """Write a file as if long ago; with another age, it has changed since."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (WRITTEN, WRITTEN + age))


def articles(count: int, *, start: int = 0, traps: bool = True, edit: str = "") -> Iterator[Article]:
    """So many articles, one an hour, the oldest first; the same arguments give the same.

    Args:
        count: How many.
        start: The number of the first.
        traps: Whether some are as mirrors leave them.
        edit: Added to the text of each.
    """
    chance = random.Random(f"{count} {start}")
    sizes = [_size((place + 0.5) / count) for place in range(count)]
    chance.shuffle(sizes)
    trapped = _trapped(count, chance) if traps else {}
    maker = _Maker(chance)
    for place, size in enumerate(sizes):
        yield maker.article(start + place, size, trapped.get(place, ""), edit)


def link(number: int, trap: str = "") -> str:
    """The address of an article."""
    folders = {
        "parentheses": "a_(b)",
        "non-ASCII": "新闻",
        "doubled slash": "/a",
        "encoded twice": "%25E6%2596%25B0",
    }
    return f"https://news{number % 5}.example/{folders.get(trap, 'a')}/{number}.html"


def _size(share: float) -> int:
    """How long an article is that is longer than such a share of all."""
    for (low, short), (high, long) in pairwise(SIZES):
        if share <= high:
            return int(short + (long - short) * (share - low) / (high - low))
    raise ValueError(share)


def _trapped(count: int, chance: random.Random) -> Mapping[int, str]:
    """Which articles have which trap; the first has none, for there is none before it to share a link with."""
    wanted = [trap for trap, often in TRAPS.items() for _ in range(max(1, round(often * count)))]
    places = chance.sample(range(1, count), min(len(wanted), count - 1))
    return dict(zip(places, wanted, strict=False))


class _Maker:
    """Makes up articles."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._before = (0, "")
        chinese = ["".join(chance.choices(_CHARACTERS, k=chance.randint(12, 45))) + "。" for _ in range(2000)]
        english = [" ".join(chance.choices(_ENGLISH, k=chance.randint(6, 24))) + ". " for _ in range(2000)]
        self._sentences = (chinese, [sentence.capitalize() for sentence in english])

    def article(self, place: int, size: int, trap: str, edit: str) -> Article:
        chance = self._chance
        number, address = self._before if trap == "same link" else (place, link(place, trap))
        is_old = trap == "old marker"
        self._before = self._before if is_old else (number, address)
        published = (OF_OLD if is_old else OLDEST) + timedelta(hours=number)
        sentences = self._sentences[chance.random() < 0.35]
        title = self._title(sentences, number, trap)
        body = self._body(sentences, size, trap) + edit
        told = json.dumps(" ".join(title.split()), ensure_ascii=False)
        known = f"title: {told}\ndate: {published:%Y-%m-%dT%H:%M:%S}.000Z\n"
        text = _marker(published, trap) + f"[{title}]({address})\n------\n\n"
        dated = f"<div><i>{published:%a, %d %b %Y %H:%M:%S} GMT</i></div>"
        name = f"news{number % 5}/{place}_{title[:30].strip()}.md"
        if trap in {"front matter alone", "invalid front matter"} or chance.random() < _JEKYLL:
            name = f"_posts/{published:%Y-%m-%d}-{title[:30].strip()} {place}.md"
            head = known.replace(told, f'""{title}"') if trap == "invalid front matter" else known
            text = (
                f"---\nlayout: post\n{head}author: 记者\nfrom: {address}\ntags: [ news{number % 5} ]\ncomments: True\n"
                f"categories: [ news{number % 5} ]\n---\n"
            ) + ("" if trap == "front matter alone" else text)
            body = f"<div>\n{body}\n</div>\n"
        if trap != "newline in the name":
            name = " ".join(name.split())
        return Article(
            number=number,
            published=published,
            name=name,
            text=text + ("" if trap == "front matter alone" else dated) + body,
            for_hugo=f"---\n{known}from: {address}\n---\n\n{dated}{body}",
        )

    def _title(self, sentences: Sequence[str], number: int, trap: str) -> str:
        title = f"{self._chance.choice(sentences)[:24].strip('。. ')} {number}"
        return {
            "brackets": f"[{title[:3]}專題]{title}",
            "entities": f"&quot;{title}&quot;",
            "two lines": f"{title}\n{title[:4]}",
            "newline in the name": f"{title[:8]}\n“{title[8:]}”",
            "no title": "",
        }.get(trap, title)

    def _body(self, sentences: Sequence[str], size: int, trap: str) -> str:
        chance = self._chance
        (pictures,) = chance.choices(list(PICTURES), list(PICTURES.values()))
        parts = [self._picture(sentences) for _ in range(min(pictures, size // 900))]
        room = size - sum(map(_length, parts))
        while room > 0:
            parts.append(self._paragraph(sentences))
            room -= _length(parts[-1])
        chance.shuffle(parts)
        body = "".join(parts)
        if trap == "control characters":
            body = body.replace("<p>", "<p>\b", 3)
        return ("null" if trap == "null" else "") + body + (_ADVERT if trap == "advert" else "")

    def _paragraph(self, sentences: Sequence[str]) -> str:
        chance = self._chance
        text = "".join(chance.choices(sentences, k=chance.randint(1, 5)))
        (make,) = chance.choices(_PARAGRAPHS, _PARAGRAPH_WEIGHTS)
        return make(text, chance.choice(sentences)[:16])

    def _picture(self, sentences: Sequence[str]) -> str:
        chance = self._chance
        (make,) = chance.choices(_PICTURES, _PICTURE_WEIGHTS)
        return make(f"pictures.example/{chance.randrange(10**9)}.jpg", chance.choice(sentences)[:40])


def _marker(published: datetime, trap: str) -> str:
    if trap == "no marker":
        return ""
    if trap == "NaN":
        return "<!--NaN-->\n"
    return f"<!--{int((published + timedelta(seconds=30)).timestamp() * 1000)}-->\n"


def _length(text: str) -> int:
    return len(text.encode())


_Make = Callable[[str, str], str]

_PARAGRAPHS: Sequence[_Make]
_PARAGRAPHS, _PARAGRAPH_WEIGHTS = zip(
    (lambda text, few: f"<p>{text}</p>", 66),
    (lambda text, few: f'<p style="text-align: justify;"><span style="font-size: 16px;">{text}</span></p>', 10),
    (lambda text, few: f'<p>{text}<a href="https://news.example/{len(text)}.html" target="_blank">{few}</a></p>', 10),
    (lambda text, few: f'<div class="field-item even"><div><p>{text}</p></div></div>', 5),
    (lambda text, few: f"<p><strong>{few}</strong><br>{text}</p>", 4),
    (lambda text, few: f"<h2>{few}</h2>\n<p>{text}</p>", 2),
    (lambda text, few: f"<blockquote><p><em>{text}</em></p></blockquote>", 2),
    (lambda text, few: f"<ul><li>{few}</li><li>{text}</li></ul>", 1),
    strict=True,
)

_PICTURES: Sequence[_Make]
_PICTURES, _PICTURE_WEIGHTS = zip(
    (
        lambda path, few: (
            f'<img src="https://images.weserv.nl?url={path}" width="100%"><div><small>{few}</small></div>'
        ),
        45,
    ),
    (
        lambda path, few: (
            f'<figure class="image-box"><img src="https://thumbor.example/unsafe/1340x754/https://{path}" alt="{few}"'
            f' referrerpolicy="no-referrer"><figcaption class="image-capture">{few}</figcaption></figure>'
        ),
        30,
    ),
    (lambda path, few: f'<p><img alt="" height="164" src="https://{path}" style="margin: 4px" width="220"></p>', 14.6),
    (
        lambda path, few: (
            f'<img class="lazyload" src="{_PIXEL}" data-src="https://{path}"><noscript><img src="https://{path}">'
            "</noscript>"
        ),
        3.3,
    ),
    (lambda path, few: f'<img srcset="{_PIXEL}" data-lazy-src="https://{path}" src="{_PIXEL}" alt="{few}">', 3.3),
    (
        lambda path, few: f'<img src="https://i0.wp.com/{path}?resize=700%2C400&amp;is-pending-load=1#038;ssl=1">',
        3.1,
    ),
    (lambda path, few: f'<img src="//{path}">', 0.5),
    (lambda path, few: f'<img src="/{path}">', 0.2),
    strict=True,
)
