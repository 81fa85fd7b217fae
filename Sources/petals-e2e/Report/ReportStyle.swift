/// The look of `report.html`, for light and dark screens.
enum ReportStyle {
  static let sheet: HTML = """
    :root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --faint: #6b7685;
      --line: #e3e7ec; --good: #14804a; --bad: #b42318; --bar: #3b82c4; }
    @media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --paper: #14181f;
      --faint: #95a1b2; --line: #2a323d; --good: #4ccb8a; --bad: #ff7b6e; --bar: #5aa2e0; } }
    * { box-sizing: border-box; }
    body { margin: 0; color: var(--ink); background: var(--paper);
      font: 15px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
    header, main { max-width: 68rem; margin: 0 auto; padding: 0 1.5rem; }
    header { padding-top: 2.5rem; border-bottom: 1px solid var(--line); }
    h1 { font-size: 1.7rem; margin: 0; }
    h2 { font-size: 1.05rem; margin: 2.2rem 0 .6rem; }
    header.passed h1, tr.passed td:first-child { color: var(--good); }
    header.failed h1, tr.failed td:first-child { color: var(--bad); }
    .quiet { color: var(--faint); }
    .figures { display: flex; flex-wrap: wrap; gap: 2.5rem; margin-top: 1.8rem; }
    .figures strong { display: block; font-size: 1.6rem; line-height: 1.2; }
    .figures span { color: var(--faint); }
    table { width: 100%; border-collapse: collapse; }
    th { text-align: left; font-weight: 500; color: var(--faint); }
    td, th { padding: .38rem .8rem .38rem 0; border-bottom: 1px solid var(--line);
      vertical-align: top; overflow-wrap: anywhere; }
    td.number { text-align: right; white-space: nowrap; }
    td.time { width: 24%; min-width: 8rem; }
    td.time i { display: block; height: .55rem; margin-top: .45rem; border-radius: 2px;
      background: var(--bar); }
    tr.failed td.time i { background: var(--bad); }
    blockquote { margin: 0; padding: .8rem 1rem; border-left: 3px solid var(--bar);
      white-space: pre-wrap; overflow-wrap: anywhere; }
    blockquote b { color: var(--faint); font-weight: 500; }
    code { overflow-wrap: anywhere; }
    summary { color: var(--faint); cursor: pointer; padding: .5rem 0; }
    """
}
