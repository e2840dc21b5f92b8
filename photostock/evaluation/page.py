"""The report as one HTML page: what each stage buys and costs, for somebody who has not built it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from common.report.html import document, save_document, table
from common.report.numbers import NOT_GIVEN, number, percent
from photostock.evaluation.charts import cost_chart, loss_chart, quality_chart
from photostock.evaluation.report import WHOLE, Case, Line, Report, Shown, Situation
from photostock.evaluation.sentences import interval, is_clear, sentences, stages, what_was_done

TITLE = "What each stage of a search is worth"
READING = (
    "Each query was written by a person about one photo, which the search does not know. A way to search is good when "
    "it shows that photo near the top. recall@10 is the share of queries whose photo is among the first ten; nDCG@10 "
    "also asks how high: 1 for the first place, 0.63 for the second, 0.29 for the tenth, 0 after it. Many other photos "
    "fit a query as well, so no search comes near 1: compare the lines, not their distance from 1."
)
CHAIN = (
    "From top to bottom as a search passes them. Each line has everything above it, the last one is the whole; only "
    "lexical search (words, no model) stands beside the chain: it answers when dense search (meaning, a model) can't."
)
REMOVED = (
    "The whole with one part switched off, as an operator would do it or as if it had died. A part pays its way where "
    "the interval stays away from zero."
)
CASES = "First, framed, the photo that was meant; then the first five of the whole, framed again if it is among them."
STYLE = """
.whisker { stroke: var(--ink); stroke-width: 1.5; } svg text.value { fill: var(--ink); }
svg .t0.bar { fill: var(--c0); } td.good { color: rgb(var(--good)); } td.bad { color: rgb(var(--bad)); }
.case { border-top: 1px solid var(--rule); padding: 12px 0; }
.case h3 { margin: 0 0 2px; } .case p { margin: 0 0 8px; }
.strip { display: flex; flex-wrap: wrap; gap: 8px; align-items: flex-start; }
.strip figure { width: 150px; } .strip img { width: 150px; height: 112px; object-fit: cover; border-radius: 4px;
  display: block; border: 1px solid var(--rule); }
.strip .meant img { outline: 3px solid var(--c3); outline-offset: 1px; } .strip .gap { width: 12px; }
.strip figcaption { font-size: .78rem; line-height: 1.3; overflow-wrap: anywhere; }
.slices td { background: rgb(var(--tone, 0 0 0) / var(--depth, 0)); }
"""


def page(report: Report) -> str:
    """The whole page."""
    return document(TITLE, _parts(report), style=STYLE)


def save_page(report: Report, path: Path) -> None:
    """Writes the page; makes the folder."""
    save_document(path, TITLE, _parts(report), style=STYLE)


def _parts(report: Report) -> list[str]:
    told = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences(report))
    notes = "".join(f"<p><strong>Note:</strong> {escape(note)}.</p>" for note in report.notes)
    head = f'<h1>{TITLE}</h1><p class="soft">{escape(what_was_done(report))}.</p><ul class="summary">{told}</ul>{notes}'
    return [
        head,
        f"<p>{escape(READING)}</p>",
        _chain(report),
        _removed(report),
        _peers(report),
        _slices(report),
        *(_situation(report, situation) for situation in report.situations[1:]),
        _cases(report.cases),
    ]


def _chain(report: Report) -> str:
    lines = [line for line, _ in stages(report)]
    rows = [(line.name, *_gain(line, below), *_figures(line)) for line, below in stages(report)]
    heads = ("stage", "adds", "costs", *HEADS)
    caption = "the chain from below; ÷ dense: nDCG@10 as a share of that of dense alone"
    shown = table(caption, heads, rows, best=len(rows) - 1)
    charts = f'<div class="charts">{quality_chart(lines)}{cost_chart(lines)}</div>'
    return f"<h2>What each stage adds</h2><p>{escape(CHAIN)}</p>{charts}{shown}"


def _removed(report: Report) -> str:
    lines = [line for line in report.clean.lines if line.kind == "removed"]
    rows = [
        (line.name, _answered(line), f"<td class={_tone(line)}>{interval(line.to_whole)}</td>", *_figures(line))
        for line in lines
    ]
    shown = table("the whole with one part away", ("search", "who answered", "÷ the whole", *HEADS), rows)
    charts = f'<div class="charts">{loss_chart(lines)}</div>'
    return f"<h2>What each stage is missed for</h2><p>{escape(REMOVED)}</p>{charts}{shown}"


def _peers(report: Report) -> str:
    peers = [line for line in report.clean.lines if line.kind == "peer"]
    whole = report.clean.line(WHOLE)
    if not peers or whole is None:
        return ""
    lines = sorted([*peers, whole], key=lambda line: -line.quality.ndcg_10.value)
    shown = table("best first", ("search", *HEADS), [(line.name, *_figures(line)) for line in lines])
    text = "The same queries and photos in the same run; their time is that of the search alone, without a service."
    return f"<h2>Beside other people's search</h2><p>{text}</p>{shown}"


def _slices(report: Report) -> str:
    clean = report.clean
    if not clean.parts:
        return ""
    names = [line.name for line in clean.lines if line.kind in ("stage", "peer")]
    rows = []
    for part, figures in clean.parts.items():
        best = max(figures[name] for name in names)
        cells = [f"<td{' class=good' if figures[name] == best else ''}>{number(figures[name])}</td>" for name in names]
        rows.append((part, f"{clean.sizes[part]:,}", *cells))
    shown = table("nDCG@10; green: the best of its row", ("queries", "count", *names), rows)
    return f"<h2>Kinds of queries</h2>{shown}"


def _situation(report: Report, situation: Situation) -> str:
    kept = report.typo_kept if situation.name == report.situations[1].name else {}
    heads = ("search", *HEADS, *(["÷ the same without typos"] if kept else []))
    rows = [
        (line.name, *_figures(line), *([interval(kept[line.name])] if line.name in kept else []))
        for line in situation.lines
    ]
    return f"<h2>Queries {escape(situation.name)}</h2>{table(f'{situation.questions:,} queries', heads, rows)}"


HEADS = ("nDCG@10 (95 %)", "÷ dense", "recall@1", "recall@10", "recall@50", "MRR@10", "CPU ms")


def _figures(line: Line) -> tuple[str, ...]:
    quality = line.quality
    shares = (quality.recall_1, quality.recall_10, quality.recall_50)
    rest = (number(quality.mrr_10), number(line.cpu_ms, 1))
    return (interval(quality.ndcg_10), number(line.to_dense.value), *map(percent, shares), *rest)


def _gain(line: Line, below: Line | None) -> tuple[str, str]:
    if below is None:
        return NOT_GIVEN, NOT_GIVEN
    gain = line.quality.ndcg_10.value / below.quality.ndcg_10.value - 1 if below.quality.ndcg_10.value else 0.0
    return percent(gain, sign=True), f"{number(line.cpu_ms - below.cpu_ms, 1, sign=True)} ms"


def _tone(line: Line) -> str:
    return "soft" if not is_clear(line.to_whole) else "bad" if line.to_whole.value < 1 else "good"


def _answered(line: Line) -> str:
    told = ", ".join(f"{tier} {percent(share)}" for tier, share in line.served_by.items())
    return escape(told + (f", nobody {line.failed:,}" if line.failed else ""))


def _cases(cases: Sequence[Case]) -> str:
    if not cases:
        return ""
    return f"<h2>Look for yourself</h2><p>{escape(CASES)}</p>{''.join(map(_case, cases))}"


def _case(case: Case) -> str:
    whole, dense = _place(case.rank_whole), _place(case.rank_dense)
    found = "".join(
        _picture(one, f"{place}.", one.photo_id == case.meant.photo_id) for place, one in enumerate(case.found, 1)
    )
    return (
        f'<section class="case"><h3>“{escape(case.query)}”</h3>'
        f'<p class="soft">{escape(case.kind)}: the photo is {whole}; with dense alone {dense}</p>'
        f'<div class="strip">{_picture(case.meant, "meant:", True)}<div class="gap"></div>{found}</div></section>'
    )


def _place(rank: int | None) -> str:
    return "not among the first 50" if rank is None else f"in place {rank}"


def _picture(shown: Shown, told: str, meant: bool) -> str:
    data = base64.b64encode(shown.jpeg).decode()
    return (
        f'<figure{" class=meant" if meant else ""}><img alt="" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{told} {escape(shown.title)}</figcaption></figure>"
    )
