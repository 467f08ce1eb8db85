// What is incomplete is said here, before any number.

import { formatCount } from '../model/format';
import type { Report } from '../state/report';
import type { Directory } from '../data/contract';

export function Banner({ report }: { report: Report }) {
  const messages = [...report.problems.value, ...integrityMessages(report.trace.directory)];
  const notes = embeddedMessages(report.trace.directory);
  if (messages.length + notes.length === 0) return null;
  return (
    <section class="banner" aria-label="What is incomplete">
      {messages.map((message) => <p key={message} class="problem"><b>Incomplete:</b> {message}</p>)}
      {notes.map((message) => <p key={message}><b>Not embedded:</b> {message}</p>)}
    </section>
  );
}

function integrityMessages({ integrity, totals }: Directory): string[] {
  const messages: string[] = [];
  if (integrity.cut) messages.push('the trace has no end: the program was killed or the file was cut. Every call that the file holds up to there is shown.');
  if (integrity.damagedBlocks > 0) {
    messages.push(`${formatCount(integrity.damagedBlocks)} blocks of the trace are damaged or missing: calls in these gaps are lost. ${integrity.damage.join('; ')}`);
  }
  if (!integrity.complete && !integrity.cut && integrity.damagedBlocks === 0) messages.push('the trace is not complete.');
  if (!integrity.complete && totals.unfinished > 0) {
    messages.push(`${formatCount(totals.unfinished)} ${totals.unfinished === 1 ? 'call has' : 'calls have'} no recorded end: their time counts to the end of the trace.`);
  }
  return messages.concat(integrity.warnings);
}

function embeddedMessages({ embedded, totals }: Directory): string[] {
  const messages: string[] = [];
  if (embedded.foldedCalls > 0) {
    messages.push(
      `${formatCount(embedded.foldedCalls)} of ${formatCount(totals.calls)} calls are left out one by one, to keep the page small (--max-size): ` +
      `in each stretch of 65,536 calls, the shortest. “Every call” lists the other ${formatCount(embedded.calls)} and says where some are left out. ` +
      'The merged tree and all its sums are exact, from every call.');
  }
  if (embedded.foldedPaths > 0) {
    messages.push(`${formatCount(embedded.foldedPaths)} of ${formatCount(totals.paths)} paths are summed up in rows named “others”: their sums are exact, but single calls stand there without their function.`);
  }
  return messages;
}

