/** The report's style sheet: one column, readable on paper and without colour. No outside font, image or script. */
export const css = `
:root{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:#1a1a1a;font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main,header,footer,nav{max-width:64rem;margin:0 auto;padding:0 1.25rem}
h1{font-size:1.9rem;line-height:1.2;margin:2rem 0 .5rem}
h2{font-size:1.4rem;margin:2.5rem 0 .5rem;border-top:2px solid #1a1a1a;padding-top:.75rem}
h3{font-size:1.1rem;margin:1.75rem 0 .35rem}
p{margin:.5rem 0;max-width:46rem}
.verdict{border:2px solid #1a1a1a;border-left-width:12px;padding:.75rem 1rem;margin:1rem 0;font-size:1.15rem}
.verdict p{margin:.25rem 0}
.quiet{color:#4a4a4a}
ul.plain{padding-left:1.2rem;max-width:46rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;margin:.75rem 0;font-size:.92rem}
caption{text-align:left;font-weight:600;padding:.25rem 0}
th,td{border-bottom:1px solid #c8c8c8;padding:.3rem .7rem .3rem 0;text-align:left;vertical-align:top}
th{border-bottom:2px solid #1a1a1a}
td{font-variant-numeric:tabular-nums}
figure{margin:1.25rem 0}
figcaption{max-width:46rem;color:#333;margin-top:.35rem}
svg{max-width:100%;height:auto}
details{margin:.4rem 0}
summary{cursor:pointer}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f4f4f1;border-left:3px solid #8a8a8a;padding:.5rem .75rem;margin:.3rem 0;font:.86rem/1.45 ui-monospace,Menlo,Consolas,monospace}
dl{margin:.4rem 0}
dt{font-weight:600;margin-top:.4rem}
dd{margin:0 0 0 1rem}
.finding{border-left:4px solid #1a1a1a;padding:.1rem 0 .1rem .9rem;margin:.9rem 0}
.severity{font-weight:700;text-transform:uppercase;font-size:.8rem;letter-spacing:.04em}
.part{border-top:1px solid #8a8a8a;margin-top:2rem}
a{color:#0b3c5d}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:#fff;padding:.3rem}
footer{margin-top:3rem;padding-bottom:2rem;color:#4a4a4a;font-size:.9rem}
@media print{body{font-size:11pt}details::details-content{content-visibility:visible}figure,.finding,tr{break-inside:avoid}nav{display:none}}
`;
