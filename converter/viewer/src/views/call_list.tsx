// The calls of one path, slowest first or in time order, a page at a time. Read from the blocks only when this is on screen.

import { useEffect, useMemo, useState } from 'preact/hooks';
import type { PathCalls } from '../model/call_store';
import { clockFormat, formatCallNs, formatCount } from '../model/format';
import { slowestFirst } from '../model/slowest_first';
import type { Report } from '../state/report';

const PAGE = 50;

type Order = 'slowest' | 'time';

export function CallList({ report, path }: { report: Report; path: number }) {
  const [calls, setCalls] = useState<PathCalls | null>(null);
  const [order, setOrder] = useState<Order>('slowest');
  const [page, setPage] = useState(0);
  useEffect(() => {
    let gone = false;
    // Wait a little: somebody who moves through the tree reads no blocks.
    const timer = setTimeout(() => {
      report.calls.ofPath(path, report.trace.paths.calls[path], () => gone).then(
        (found) => { if (!gone) setCalls(found); }, (error) => report.fail(error));
    }, 150);
    return () => { gone = true; clearTimeout(timer); };
  }, [path]);
  const slowest = useMemo(() => calls && slowestFirst(calls.durationNs), [calls]);
  const all = report.trace.paths.calls[path];
  if (!calls) return <section class="call-list"><h3>Calls</h3><p class="note">Reading …</p></section>;
  const ranked = order === 'slowest' ? slowest : null;
  const count = ranked ? ranked.length : calls.call.length;
  const first = page * PAGE;
  const turn = (to: number, by: Order = order) => { setOrder(by); setPage(to); };
  return (
    <section class="call-list">
      <h3>Calls</h3>
      <div class="segments small" role="radiogroup" aria-label="Order of the calls">
        <button type="button" role="radio" aria-checked={order === 'slowest'} onClick={() => turn(0, 'slowest')}>Slowest first</button>
        <button type="button" role="radio" aria-checked={order === 'time'} onClick={() => turn(0, 'time')}>In time order</button>
      </div>
      <Missing embedded={calls.call.length} all={all} ranked={ranked ? ranked.length : calls.call.length} />
      <Page report={report} calls={calls} indexes={pageIndexes(ranked, first, count)} />
      {count > PAGE && (
        <p class="pager">
          <button type="button" disabled={page === 0} onClick={() => turn(page - 1)} aria-label="Previous calls">‹</button>
          <span>{formatCount(first + 1)} to {formatCount(Math.min(count, first + PAGE))} of {formatCount(count)}</span>
          <button type="button" disabled={first + PAGE >= count} onClick={() => turn(page + 1)} aria-label="Next calls">›</button>
        </p>
      )}
    </section>
  );
}

function pageIndexes(ranked: Uint32Array | null, first: number, count: number): number[] {
  const indexes: number[] = [];
  for (let i = first; i < Math.min(count, first + PAGE); i++) indexes.push(ranked ? ranked[i] : i);
  return indexes;
}

function Missing({ embedded, all, ranked }: { embedded: number; all: number; ranked: number }) {
  return (
    <>
      {embedded < all && <p class="note">{formatCount(all - embedded)} of {formatCount(all)} calls are not embedded.</p>}
      {ranked < embedded && <p class="note">The slowest {formatCount(ranked)} of {formatCount(embedded)}; “In time order” lists all.</p>}
    </>
  );
}

function Page({ report, calls, indexes }: { report: Report; calls: PathCalls; indexes: number[] }) {
  const { totals, quantumNs } = report.trace.directory;
  const clock = clockFormat(totals.wallNs, quantumNs);
  return (
    <table>
      <thead><tr><th scope="col">total</th><th scope="col">start, {clock.unit}</th><th scope="col">end, {clock.unit}</th></tr></thead>
      <tbody>
        {indexes.map((i) => (
          <tr key={calls.call[i]}>
            <td>
              <button type="button" class="link" title="Show this call among every call" onClick={() => report.revealCall(calls.call[i])}>
                {formatCallNs(calls.durationNs[i], quantumNs)}
              </button>
            </td>
            <td>{clock.format(calls.startNs[i])}</td>
            <td>{clock.format(calls.startNs[i] + calls.durationNs[i])}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
