import { visibleText } from '../model/format';
import { toggleTheme } from '../state/commands';
import type { ViewProps } from './app';

export function Header({ report, page }: ViewProps) {
  const { run } = report.trace.directory;
  const command = visibleText(run.command || run.name);
  return (
    <header class="header">
      <span class="brand">callprofiler</span>
      <h1 class="command" title={command}>{command}</h1>
      <time class="meta" dateTime={run.startUtc}>{run.startUtc.replace('T', ' ').replace(/(:\d\d)?(\.\d+)?Z$/, ' UTC')}</time>
      <span class="meta" title={`${run.implementation} ${run.python}\n${run.os}`}>Python {visibleText(run.python)}</span>
      {run.outcome === 'raised' && <span class="meta outcome">ended by an exception</span>}
      {run.outcome === 'killed' && <span class="meta outcome">its process was killed</span>}
      <Search report={report} page={page} />
      <button type="button" class="icon" title="Light or dark (D)" aria-label="Light or dark" onClick={() => toggleTheme(report)}>◐</button>
      <button
        type="button" class="icon" title="Keys (?)" aria-label="Keys"
        aria-expanded={report.help.value} onClick={() => { report.help.value = !report.help.value; }}
      >?</button>
    </header>
  );
}

function Search({ report, page }: ViewProps) {
  const paths = report.matchingPaths.value.length;
  const keys = (event: KeyboardEvent) => {
    if (event.key === 'Enter') void report.nextMatch(event.shiftKey ? -1 : 1);
    else if (event.key === 'Escape') page.focusTree();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="search" role="search">
      <input
        type="search" placeholder="Search functions" aria-label="Search functions, modules and files" spellcheck={false}
        ref={(input) => { page.search = input; }} value={report.query.value} onKeyDown={keys}
        onInput={(event) => { report.query.value = event.currentTarget.value; }}
      />
      {report.query.value ? <span class="found">{paths.toLocaleString('en-US')} found</span> : <kbd>/</kbd>}
    </div>
  );
}
