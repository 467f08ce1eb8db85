// The page: header, facts, slowest path, then one view. A later view is a file here and a row in VIEWS.

import type { ComponentChildren } from 'preact';
import type { PageActions } from '../state/commands';
import type { Report } from '../state/report';
import { Banner } from './banner';
import { Facts } from './facts';
import { Header } from './header';
import { Help } from './help';
import { SlowestPath } from './slowest_path';
import { TreeView } from './tree_view';

export interface ViewProps {
  report: Report;
  page: PageParts;
}

/** Elements that commands need; views fill them in. */
export interface PageParts extends PageActions {
  search: HTMLInputElement | null;
  tree: { rowsPerPage: number; host: HTMLElement } | null;
}

const VIEWS: { key: string; label: string; view: (props: ViewProps) => ComponentChildren }[] = [
  { key: 'tree', label: 'Tree', view: TreeView },
];

export function createPageParts(): PageParts {
  const parts: PageParts = {
    search: null,
    tree: null,
    rowsPerPage: () => parts.tree?.rowsPerPage ?? 20,
    focusSearch: () => parts.search?.select(),
    focusTree: () => parts.tree?.host.focus(),
  };
  return parts;
}

export function App({ report, page }: ViewProps) {
  const View = VIEWS[0].view;
  return (
    <>
      <Header report={report} page={page} />
      <Banner report={report} />
      <Facts report={report} />
      <SlowestPath report={report} />
      <main class="view">
        <View report={report} page={page} />
      </main>
      <footer class="status">
        <span role="status" aria-live="polite">{report.status}</span>
        <Notes report={report} />
      </footer>
      <Help report={report} />
    </>
  );
}

function Notes({ report }: { report: Report }) {
  const words = report.busy.value ? 'Reading calls …' : report.hiddenWords.value;
  return <span class="notes" title={words}>{words}</span>;
}
