import { formatCount, formatNs, visibleText } from '../model/format';
import { functionBadge, functionName } from '../model/trace';
import type { Report } from '../state/report';

export function Facts({ report }: { report: Report }) {
  const { totals, quantumNs, tickNs, lanes, labels, recorderCost } = report.trace.directory;
  return (
    <section aria-label="Totals">
      <dl class="facts">
        <Fact label="duration" value={formatNs(totals.wallNs)} />
        <Fact label={totals.calls === 1 ? 'call' : 'calls'} value={formatCount(totals.calls)} />
        <Fact label={totals.functions === 1 ? 'function' : 'functions'} value={formatCount(totals.functions)} />
        <Fact label={lanes.length === 1 ? 'thread' : 'threads'} value={formatCount(lanes.length)} />
        {totals.tasks > 0 && <Fact label={totals.tasks === 1 ? 'task' : 'tasks'} value={formatCount(totals.tasks)} />}
        {totals.marks > 0 && <Fact label={totals.marks === 1 ? 'mark' : 'marks'} value={formatCount(totals.marks)} />}
        {totals.waitingNs !== undefined && <Fact label="waiting" value={formatNs(totals.waitingNs)} title={WAITING} />}
        {(totals.omittedCalls > 0 || totals.omittedNs > 0) && (
          <Fact label="left out" value={`${formatCount(totals.omittedCalls)} ${totals.omittedCalls === 1 ? 'call' : 'calls'}, ${formatNs(totals.omittedNs)}`} title={OMITTED} />
        )}
        {recorderCost && <Fact label="recorder cost" value={recorderCost.percent > 0 ? `about ${recorderCost.percent} %` : 'under 1 %'} title={`Estimated: ${formatNs(recorderCost.ns)}`} />}
        {totals.unfinished > 0 && <Fact label="unfinished" value={formatCount(totals.unfinished)} title={UNFINISHED} />}
        {labels.map(([key, value]) => <Fact key={key} label={visibleText(key)} value={visibleText(value)} />)}
        {totals.raised > 0 && <Fact label="raised" value={formatCount(totals.raised)} />}
        <SlowestFunction report={report} />
        <div class="fact quantum" title={TIME_STEP}>
          <dt>time step of single calls</dt> <dd>{formatNs(Math.max(quantumNs, tickNs))}</dd>
        </div>
      </dl>
    </section>
  );
}

const UNFINISHED = 'Calls without a recorded end, such as generators that were never exhausted: their time counts to the end of the run';

const WAITING = 'Time that calls spent off the CPU: asleep, or waiting for a lock, a file or the network; over all threads';
const TIME_STEP = 'Times of single calls are multiples of the clock’s tick, rounded in a large report; sums in the merged tree are not rounded';
const OMITTED = 'Left out by a filter when recording: they are in the total of the call around them, but not in its self time';

function Fact({ label, value, title = '' }: { label: string; value: string; title?: string }) {
  return <div class="fact" title={title || `${label}: ${value}`}><dt>{label}</dt> <dd>{value}</dd></div>;
}

function SlowestFunction({ report }: { report: Report }) {
  const { slowestSelf, slowestTotal } = report.trace.directory;
  const { selfNs, totalNs } = report.trace.functions;
  return (
    <>
      {slowestSelf >= 0 && (
        <Slowest report={report} label="slowest function by self" fn={slowestSelf} ns={selfNs[slowestSelf]}
          title="The function whose own code took longest, over all its calls" />
      )}
      {slowestTotal >= 0 && (
        <Slowest report={report} label="by total" fn={slowestTotal} ns={totalNs[slowestTotal]}
          title="The function that took longest with all that it calls; functions that start a thread or the run are left out" />
      )}
    </>
  );
}

function Slowest({ report, label, title, fn, ns }: { report: Report; label: string; title: string; fn: number; ns: number }) {
  const show = () => {
    const { paths } = report.trace;
    let best = -1;
    for (let p = 1; p < paths.count; p++) {
      if (paths.function[p] === fn && (best < 0 || paths.totalNs[p] > paths.totalNs[best])) best = p;
    }
    if (best >= 0) void report.revealPath(best);
  };
  const name = visibleText(functionName(report.trace, fn));
  return (
    <div class="fact" title={title}>
      <dt>{label}</dt>{' '}
      <dd>
        <button type="button" class="link" onClick={show} title={`${name} (${functionBadge(report.trace, fn)}): show its largest path`}>{name}</button>{' '}
        {formatNs(ns)}{ns > report.trace.directory.totals.wallNs && <span class="overlap"> in overlapping calls</span>}
      </dd>
    </div>
  );
}
