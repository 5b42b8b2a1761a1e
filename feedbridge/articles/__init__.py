"""Items become articles: one id for ever, honest dates, safe HTML, pictures that load. No I/O, no clock."""
