#pragma once

namespace rill::flow {

/// How a report looks: a column of at most 47 rem, light or dark as the reader's system is. Series have the
/// colours of Okabe and Ito (2008) without yellow and black, of which one of the two grounds swallows each;
/// blue is lighter on the dark one.
inline constexpr const char* report_style = R"css(
:root { color-scheme: light dark; --ground: #fff; --text: #1d1f23; --quiet: #5b6068; --rule: #d9dce1;
  --grid: #e4e6ea; --link: #0b5fa5; --series-1: #0072b2; --series-2: #d55e00; --series-3: #009e73;
  --series-4: #cc79a7; --series-5: #e69f00; --series-6: #56b4e9; --series-7: #1d1f23; }
@media (prefers-color-scheme: dark) { :root { --ground: #15171b; --text: #e6e7ea; --quiet: #a0a5ae;
  --rule: #383c44; --grid: #2b2f36; --link: #7cbcf0; --series-1: #2f8fd8; --series-7: #e6e7ea; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); -webkit-text-size-adjust: 100%;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  overflow-wrap: break-word; }
main { max-width: 47rem; margin: 0 auto; padding: 2.5rem 1rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.015em; margin: 0 0 0.5rem; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 3rem 0 0.75rem; padding-top: 1rem;
  border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; line-height: 1.4; margin: 0 0 0.3rem; }
p { margin: 0 0 1rem; max-width: 42rem; }
a { color: var(--link); }
figure { margin: 2.2rem 0; }
figcaption { color: var(--quiet); font-size: 0.9rem; line-height: 1.5; margin-top: 0.5rem; max-width: 42rem; }
.lead { font-size: 1.1rem; color: var(--quiet); }
.axis { color: var(--quiet); font-size: 0.85rem; line-height: 1.4; margin: 0; max-width: none; }
.across { text-align: center; }
.key { display: flex; flex-wrap: wrap; gap: 0.1rem 1.1rem; list-style: none; margin: 0 0 0.5rem; padding: 0;
  font-size: 0.85rem; }
.key li { display: flex; align-items: center; gap: 0.4rem; }
.key svg { width: 30px; height: 10px; flex: none; }
.picture svg { display: block; width: 100%; height: auto; }
.picture text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  font-variant-numeric: tabular-nums; }
.picture image { image-rendering: pixelated; }
.scale { display: flex; flex-wrap: wrap; align-items: center; gap: 0 0.5rem; margin: 0 0 0.5rem;
  font-size: 0.85rem; font-variant-numeric: tabular-nums; }
.scale i { width: 9rem; height: 0.75rem; border-radius: 2px; }
.nothing { padding: 2rem 1rem; border: 1px dashed var(--rule); text-align: center; color: var(--quiet); }
.box { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.35rem 1.1rem 0.35rem 0; text-align: left; vertical-align: top; white-space: nowrap;
  border-bottom: 1px solid var(--rule); }
th { font-weight: 600; vertical-align: bottom; border-bottom-color: var(--quiet); }
.number { text-align: right; }
.narrow { display: none; }
@media (max-width: 560px) { .wide { display: none; } .narrow { display: block; } h1 { font-size: 1.6rem; }
  main { padding-top: 1.5rem; } }
)css";

}  // namespace rill::flow
