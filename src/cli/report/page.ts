/** The frame of every page: one file, no scripts, nothing loaded; light and dark, from a phone's width up. */

/** Text from a file or a user, as HTML's text and attributes take it. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (each) => `&#${each.charCodeAt(0)};`);
}

/** `body` is HTML. */
export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>
  :root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fff; --faint: #6b6b6b; --line: #ccc; --accent: #0b62c4; --second: #c2410c }
  @media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #151515; --faint: #9a9a9a; --line: #444; --accent: #6cb0ff; --second: #ff9d5c } }
  body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 64rem; margin: 1.5rem auto; padding: 0 1rem }
  h1 { font-size: 1.4rem; line-height: 1.25; overflow-wrap: anywhere }
  h2 { font-size: 1.15rem; border-top: 1px solid var(--line); margin: 1.5rem 0 .5rem; padding-top: 1rem }
  h3 { font-size: 1rem; margin: 1rem 0 .25rem; overflow-wrap: anywhere }
  p { margin: .25rem 0 .75rem; color: var(--faint) }
  summary { cursor: pointer; font-weight: 600; padding: .3rem 0; overflow-wrap: anywhere }
  figure { margin: 0; min-width: 0 }
  figcaption { color: var(--faint); font-size: .85rem }
  svg text { fill: var(--faint); font-size: 10px }
  svg.plot { display: block; width: 100%; height: auto; max-width: 30rem }
  img { image-rendering: pixelated; display: block }
  .plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17.5rem), 1fr)); gap: 1rem 1.5rem }
  .plots.small { grid-template-columns: repeat(auto-fill, minmax(min(100%, 13.5rem), 1fr)) }
  .plots.large { grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)) }
  .tiles { display: flex; flex-wrap: wrap; gap: 6px 8px; align-content: start }
  .tiles figure { text-align: center }
  .tiles figcaption { font-size: 9px; line-height: 1.2 }
  .key { white-space: nowrap; margin-right: .75rem }
  .key::before { content: ""; display: inline-block; width: .7rem; height: .2rem; margin-right: .3rem; vertical-align: middle; background: var(--of) }
  .wide { overflow-x: auto }
  table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums }
  th, td { text-align: right; padding: .15rem .45rem; border-bottom: 1px solid var(--line); white-space: nowrap }
  th:first-child, td:first-child { text-align: left }
  th { color: var(--faint); font-weight: 500 }
  .facts td { text-align: left; white-space: normal; overflow-wrap: anywhere }
  .matrix :is(th, td):not(:first-child) { padding: .15rem .25rem; min-width: 1.35rem; text-align: center }
</style>
<h1>${escaped(title)}</h1>
${body}
</html>
`;
}

/** A list of names and values; long values are broken. */
export function factTable(facts: Readonly<Record<string, string>>): string {
  const rows = Object.entries(facts).map(
    ([name, value]) => `<tr><td>${escaped(name)}</td><td>${escaped(value)}</td></tr>`,
  );
  return `<table class="facts">\n${rows.join('\n')}\n</table>`;
}

/** A table of text, the first column to the left and the others to the right; scrolls sideways where it is too wide. */
export function htmlTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[], tag: string): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  const body = rows.map((cells) => row(cells, 'td')).join('\n');
  return `<div class="wide"><table>\n${row(header, 'th')}\n${body}\n</table></div>`;
}
