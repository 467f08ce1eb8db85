import { useEffect, useRef } from 'preact/hooks';
import { COMMANDS } from '../state/commands';
import type { Report } from '../state/report';

export function Help({ report }: { report: Report }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const open = report.help.value;
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <dialog class="help" ref={dialog} aria-label="Keys" onClose={() => { report.help.value = false; }}
      onClick={(event) => { if (event.target === dialog.current) report.help.value = false; }}>
      <h2>Keys</h2>
      <dl>
        {COMMANDS.filter((command) => command.help).map((command) => (
          <div key={command.shown}>
            <dt>{command.shown.split(' ').map((key) => <kbd key={key}>{key}</kbd>)}</dt>
            <dd>{command.help}</dd>
          </div>
        ))}
      </dl>
      <h2>Words</h2>
      <p><b>total</b> is the time from a call's start to its end; <b>self</b> is total minus what was called. <b>Merged</b> sums up
        all calls that came the same way; <b>every call</b> lists each with its start and end.</p>
      <p><b class="slowest-word">◆ Slowest path</b>: from the root, always the path with the largest total, until a function's own code is the
        largest part.</p>
      <form method="dialog"><button type="submit">Close</button></form>
    </dialog>
  );
}
