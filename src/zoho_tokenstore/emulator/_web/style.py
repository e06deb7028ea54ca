"""How the pages look: one style sheet inside each page, named in its policy by its hash."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;
--page:#f3f5f9;--card:#fff;--text:#1a2130;--soft:#525c70;--line:#868fa1;--faint:#e1e5ee;
--accent:#1d4fc4;--on-accent:#fff;--chosen:#eaf0ff;--focus:#b3460a}
@media(prefers-color-scheme:dark){:root{
--page:#10141d;--card:#1a202c;--text:#e9edf5;--soft:#aab4c6;--line:#6f7b91;--faint:#2c3546;
--accent:#9dbbff;--on-accent:#0d1a3a;--chosen:#22304e;--focus:#ffb27a}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;flex-direction:column;align-items:center;
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;color:var(--text);background:var(--page);
padding:clamp(1rem,6vh,4rem) 1rem 2rem}
main,header,footer{width:100%;max-width:31rem}
header{display:flex;align-items:center;gap:.6rem;margin-bottom:1.25rem;font-weight:650}
header svg{flex:none;color:var(--accent)}
header span{margin-left:auto;font-size:.8125rem;font-weight:400;color:var(--soft)}
main{background:var(--card);border:1px solid var(--faint);border-radius:1rem;
padding:clamp(1.25rem,5vw,2.25rem);box-shadow:0 1px 2px #0000000a,0 12px 32px -12px #0000001f}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .5rem;letter-spacing:-.01em;text-wrap:balance}
h2,legend{font-size:.875rem;font-weight:650;margin:0 0 .5rem;padding:0}
p{margin:0 0 1.25rem}
p:last-child{margin:0}
code{font:.8125rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.soft,.soft code,footer{color:var(--soft);font-size:.875rem}
ul{list-style:none;margin:0 0 1.5rem;padding:0;border-top:1px solid var(--faint)}
li{padding:.5rem 0;border-bottom:1px solid var(--faint)}
li code{display:block;color:var(--soft)}
fieldset{border:0;margin:0 0 1.5rem;padding:0;min-width:0}
fieldset label{display:flex;align-items:center;gap:.75rem;padding:.65rem .8rem;margin-bottom:.5rem;
border:1px solid var(--faint);border-radius:.65rem;cursor:pointer;overflow-wrap:anywhere}
fieldset label:hover{border-color:var(--line)}
fieldset label:has(:checked){border-color:var(--accent);background:var(--chosen)}
fieldset label:has(:focus-visible){outline:3px solid var(--focus);outline-offset:2px}
label strong{display:block;font-weight:600}
small{display:block;font-size:.8125rem;color:var(--soft)}
label small{line-height:1.4}
input[type=radio]{flex:none;width:1.15rem;height:1.15rem;margin:0;accent-color:var(--accent)}
input[name=user_code]{display:block;width:100%;margin:.4rem 0 1.25rem;padding:.65rem .8rem;
font:600 1.25rem/1.4 ui-monospace,Menlo,Consolas,monospace;letter-spacing:.12em;text-transform:uppercase;
color:inherit;background:transparent;border:1px solid var(--line);border-radius:.65rem}
.buttons{display:flex;flex-wrap:wrap;gap:.75rem}
button{flex:1 1 8rem;min-height:2.875rem;padding:.55rem 1.4rem;font:inherit;font-weight:600;
border:1px solid var(--accent);border-radius:.65rem;color:var(--accent);background:transparent;cursor:pointer}
button.accept{background:var(--accent);color:var(--on-accent)}
button:hover{box-shadow:inset 0 0 0 99px #00000012}
:focus-visible{outline:3px solid var(--focus);outline-offset:2px}
footer{margin-top:1.25rem;text-align:center}
@media(prefers-reduced-motion:no-preference){button,fieldset label{transition:border-color .15s}}
@media(forced-colors:active){fieldset label:has(:checked){outline:2px solid}}
"""

STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
