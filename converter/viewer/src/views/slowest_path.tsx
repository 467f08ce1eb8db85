import { formatNs, formatPercent, visibleText } from '../model/format';
import { functionName } from '../model/trace';
import type { Report } from '../state/report';

const HEAD = 4;
const TAIL = 3;

export function SlowestPath({ report }: { report: Report }) {
  const path = report.slowestPath;
  if (path.length === 0) return null;
  const cut = path.length > HEAD + TAIL + 1;
  const head = cut ? path.slice(0, HEAD) : path;
  const tail = cut ? path.slice(-TAIL) : [];
  const { paths, directory } = report.trace;
  const overlaps = paths.totalNs[path[0]] > directory.totals.wallNs;
  return (
    <nav class="slowest-path" aria-label="Slowest path" title="From the root, always the call path with the largest total, until a function's own code is the largest part">
      <button type="button" class="slowest-title" onClick={() => report.followSlowestPath()} title="Show it in the tree (h)">
        <span aria-hidden="true">◆</span> Slowest path
      </button>
      <ol>
        {head.map((p) => <Step key={p} report={report} path={p} />)}
        {cut && (
          <li class="skipped">
            <button type="button" onClick={() => report.followSlowestPath()}>… {path.length - HEAD - TAIL} more …</button>
          </li>
        )}
        {tail.map((p) => <Step key={p} report={report} path={p} />)}
      </ol>
      {overlaps && <span class="overlap">sums of calls that overlap in time</span>}
    </nav>
  );
}

function Step({ report, path }: { report: Report; path: number }) {
  const { paths, directory } = report.trace;
  const name = visibleText(functionName(report.trace, paths.function[path]));
  const total = paths.totalNs[path];
  return (
    <li>
      <button type="button" onClick={() => report.revealPath(path)} title={`${name}: ${formatPercent(total, directory.totals.wallNs)} of the run`}>
        <span class="fn">{name}</span> <span class="time">{formatNs(total)}</span>
      </button>
    </li>
  );
}
