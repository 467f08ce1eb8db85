// The selected row: whose it is, where it stands, its sums, its calls.

import { Outcome, FunctionFlag } from '../data/contract';
import { clockFormat, formatCallNs, formatCount, formatNs, formatPercent, visibleText } from '../model/format';
import type { Row } from '../model/row';
import { categoryKey, categoryLabel, functionBadge, functionLocation, functionName, type Trace } from '../model/trace';
import type { Report } from '../state/report';
import { CallList } from './call_list';

export function Detail({ report }: { report: Report }) {
  const row = report.selected.value;
  if (!row || row.kind === 'more' || row.kind === 'folded') return <aside class="detail" aria-label="Selection" />;
  const { trace } = report;
  const fn = trace.paths.function[row.path];
  return (
    <aside class="detail" aria-label="Selection">
      <div class={`detail-head ${categoryKey(trace, fn)}${report.isSlowest(row) ? ' slowest' : ''}`}>
        <h2>{fn < 0 ? 'others' : visibleText(functionName(trace, fn))}</h2>
        <p class="origin">{functionBadge(trace, fn) !== 'user' && <span class="badge">{visibleText(functionBadge(trace, fn))}</span>} {kindOf(trace, fn)}</p>
        <p class="origin path">{visibleText(functionLocation(trace, fn, false))}</p>
        {report.isSlowest(row) && <p class="on-slowest">◆ {row.call && trace.paths.calls[row.path] > 1 ? 'longest call of this step of the slowest path' : 'on the slowest path'}</p>}
      </div>
      {row.call?.arguments != null && <Arguments text={row.call.arguments} />}
      {row.call ? <CallFacts report={report} row={row} /> : <PathFacts trace={trace} path={row.path} />}
      {fn >= 0 && <FunctionFacts trace={trace} fn={fn} />}
      {fn >= 0 && <CallList key={row.path} report={report} path={row.path} />}
    </aside>
  );
}

function kindOf(trace: Trace, fn: number): string {
  if (fn < 0) return '';
  const flags = trace.functions.flags[fn];
  const kinds = [
    flags & FunctionFlag.C ? 'C function' : '', flags & FunctionFlag.Generator ? 'generator' : '',
    flags & FunctionFlag.Coroutine ? 'coroutine' : '', flags & FunctionFlag.AsyncGenerator ? 'async generator' : '',
    flags & FunctionFlag.Span ? 'span' : '',
  ].filter(Boolean);
  return [categoryLabel(trace, fn), ...kinds].join(', ');
}

type Fact = [label: string, value: string, share?: string];

function Facts({ title, facts }: { title: string; facts: Fact[] }) {
  return (
    <section>
      <h3>{title}</h3>
      <dl class="detail-facts">
        {facts.map(([label, value, share]) => (
          <div key={label}><dt>{label}</dt><dd>{value}{share && <span class="share"> {share}</span>}</dd></div>
        ))}
      </dl>
    </section>
  );
}

function Arguments({ text }: { text: string }) {
  return <section><h3>Arguments</h3><p class="arguments">{visibleText(text) || '(none)'}</p></section>;
}

/** How running time divides, as far as it is known; running is the time on a stack. */
function runningFacts(trace: Trace, runningNs: number, suspendedNs: number, waitingNs: number): Fact[] {
  const facts: Fact[] = [];
  if (suspendedNs > 0) facts.push(['running', formatNs(runningNs)], ['suspended', formatNs(suspendedNs)]);
  if (trace.directory.totals.waitingNs === undefined) return facts;
  facts.push(['on CPU', formatNs(Math.max(0, runningNs - waitingNs)), formatPercent(runningNs - waitingNs, runningNs)]);
  facts.push(['waiting', formatNs(waitingNs), formatPercent(waitingNs, runningNs)]);
  return facts;
}

function omittedFacts(calls: number, ns: number): Fact[] {
  return calls > 0 || ns > 0 ? [['left out', `${formatCount(calls)} ${calls === 1 ? 'call' : 'calls'}, ${formatNs(ns)}`]] : [];
}

function PathFacts({ trace, path }: { trace: Trace; path: number }) {
  const { paths } = trace;
  const wall = trace.directory.totals.wallNs;
  const clock = clockFormat(wall, trace.directory.quantumNs);
  const calls = paths.calls[path];
  const facts: Fact[] = [
    ['total', formatNs(paths.totalNs[path]), formatPercent(paths.totalNs[path], wall)],
    ['self', formatNs(paths.selfNs[path]), formatPercent(paths.selfNs[path], wall)],
    ['calls', formatCount(calls)],
  ];
  if (calls > 1) {
    facts.push(['min', formatNs(paths.minNs[path])], ['mean', formatNs(paths.totalNs[path] / calls)], ['max', formatNs(paths.maxNs[path])]);
  }
  const notes = trace.pathNotes.get(path);
  facts.push(...runningFacts(trace, paths.totalNs[path] - paths.suspendedNs[path], paths.suspendedNs[path], notes?.waitingNs ?? 0));
  facts.push(...omittedFacts(notes?.omittedCalls ?? 0, notes?.omittedNs ?? 0));
  facts.push(...outcomes(calls, paths.raised[path], paths.unfinished[path]));
  facts.push([calls > 1 ? 'first start' : 'start', `${clock.format(paths.firstStartNs[path])} ${clock.unit}`]);
  facts.push([calls > 1 ? 'last end' : 'end', `${clock.format(paths.lastEndNs[path])} ${clock.unit}`]);
  return <Facts title="This path" facts={facts} />;
}

function outcomes(calls: number, raised: number, unfinished: number): Fact[] {
  if (raised + unfinished === 0) return [];
  const facts: Fact[] = [['returned', formatCount(calls - raised - unfinished)]];
  if (raised > 0) facts.push(['raised', formatCount(raised)]);
  if (unfinished > 0) facts.push(['unfinished', formatCount(unfinished)]);
  return facts;
}

const OUTCOMES = { [Outcome.Returned]: 'returned', [Outcome.Raised]: 'raised', [Outcome.Unfinished]: 'unfinished' } as Record<number, string>;

function CallFacts({ report, row }: { report: Report; row: Row }) {
  const { trace } = report;
  const call = row.call!;
  const clock = clockFormat(trace.directory.totals.wallNs, trace.directory.quantumNs);
  const total = call.endNs - call.startNs;
  const facts: Fact[] = [
    ['start', `${clock.format(call.startNs)} ${clock.unit}`],
    ['end', `${clock.format(call.endNs)} ${clock.unit}`],
    ['total', formatCallNs(total, trace.directory.quantumNs), formatPercent(total, trace.directory.totals.wallNs)],
    ['self', formatCallNs(call.selfNs, trace.directory.quantumNs)],
    ['outcome', OUTCOMES[call.outcome] ?? ''],
  ];
  facts.push(...runningFacts(trace, total - call.suspendedNs, call.suspendedNs, call.waitingNs));
  facts.push(...omittedFacts(call.omittedCalls, call.omittedNs));
  if (call.foldedCalls > 0) facts.push(['not embedded', `${formatCount(call.foldedCalls)} calls, ${formatNs(call.foldedNs)}`]);
  if (trace.directory.lanes.length > 1) facts.push(['thread', visibleText(trace.directory.lanes[call.lane] ?? '')]);
  return (
    <>
      <Facts title={`Call ${formatCount(call.call + 1)}`} facts={facts} />
      <p class="detail-link"><button type="button" class="link" onClick={() => report.revealPath(row.path)}>Show in the merged tree</button></p>
    </>
  );
}

function FunctionFacts({ trace, fn }: { trace: Trace; fn: number }) {
  const { functions } = trace;
  const wall = trace.directory.totals.wallNs;
  const facts: Fact[] = [
    ['total', formatNs(functions.totalNs[fn]), formatPercent(functions.totalNs[fn], wall)],
    ['self', formatNs(functions.selfNs[fn]), formatPercent(functions.selfNs[fn], wall)],
    ['calls', formatCount(functions.calls[fn])],
  ];
  if (functions.module[fn]) facts.push(['module', visibleText(functions.module[fn])]);
  return <Facts title="This function, on all paths" facts={facts} />;
}
