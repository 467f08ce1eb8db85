import { formatCount } from '../model/format';
import { CATEGORIES } from '../model/trace';
import type { Mode, Report } from '../state/report';

export function Toolbar({ report }: { report: Report }) {
  return (
    <div class="toolbar" role="toolbar" aria-label="What the tree shows">
      <div class="segments" role="radiogroup" aria-label="Calls">
        <Segment report={report} mode="merged" label="Merged" title="Calls that came the same way are one row (m)" />
        <Segment report={report} mode="calls" label="Every call" title="Each call with its start and end (m)" />
      </div>
      <div class="chips" role="group" aria-label="Shown categories">
        {CATEGORIES.map((c) => <Chip key={c.key} report={report} category={c} />)}
      </div>
    </div>
  );
}

function Segment({ report, mode, label, title }: { report: Report; mode: Mode; label: string; title: string }) {
  return (
    <button type="button" role="radio" aria-checked={report.mode.value === mode} title={title} onClick={() => report.setMode(mode)}>
      {label}
    </button>
  );
}

function Chip({ report, category }: { report: Report; category: (typeof CATEGORIES)[number] }) {
  const { functions } = report.trace;
  const shown = !report.hidden.value.has(category.category);
  let count = 0;
  for (let fn = 0; fn < functions.name.length; fn++) {
    if (functions.category[fn] === category.category && functions.calls[fn] > 0) count++;
  }
  if (count === 0) return null;
  return (
    <button
      type="button" class={`chip ${category.key}`} aria-pressed={shown}
      title={shown ? `Hide ${category.label}: what it called moves up to its nearest shown caller` : `Show ${category.label}`}
      onClick={() => report.toggleCategory(category.category)}
    >
      <span class="dot" aria-hidden="true">{shown ? '●' : '○'}</span> {category.label} <span class="number">{formatCount(count)}</span>
    </button>
  );
}
