"""The pages for paper as a PDF, where WeasyPrint is installed (extra ``disclosure``). A browser prints them as well."""

import importlib.util
import logging

WITHOUT = "There is no report.pdf: WeasyPrint is not installed where this was made; a browser prints the pages as well."


MOST_LINES = 1000
_LONG = f"There is no report.pdf: the timelines have more than {MOST_LINES} lines; a browser prints the pages as well."


def render(html: str, lines: int) -> tuple[bytes, str]:
    """The PDF of a page whose timelines have so many ``lines``, or why there is none: laying out takes a hundredth of a
    second for each. Nothing is fetched: what is no data: URL is refused."""
    if importlib.util.find_spec("weasyprint") is None:
        return b"", WITHOUT
    if lines > MOST_LINES:
        return b"", _LONG
    for chatty in ("weasyprint", "fontTools"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    try:
        import weasyprint
        from weasyprint.urls import URLFetcher
    except OSError:  # its libraries (Pango) are the system's, and may be absent
        return b"", WITHOUT
    document = weasyprint.HTML(string=html, url_fetcher=URLFetcher(allowed_protocols={"data"}))
    return bytes(document.write_pdf()), ""
