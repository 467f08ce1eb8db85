// What cp2html embeds and the viewer reads. converter/page/payload.h mirrors this file: change both, and CONTRACT.
//
// A report holds one directory (JSON) and numbered blocks. A block is deflate-raw, then base64, in an inert script element;
// its raw bytes are guarded by a CRC-32 in the directory. Numbers in columns are LEB128 varints; "zigzag" marks signed ones.
//
//   raw block with columns = varint column count, varint byte length of each column, then the columns
//
// A *quantum* is the unit of time of the calls and late blocks. Paths and functions are in ns, exact.

export const CONTRACT = 2;

export const DIRECTORY_ID = 'cp-directory';
export const BLOCK_ID_PREFIX = 'cp-block-'; // + block number
export const END_ID = 'cp-end'; // the last element: without it, the file is cut

export const enum Category { None = 0, User = 1, Stdlib = 2, ThirdParty = 3, Builtin = 4 }
export const enum Outcome { Returned = 0, Raised = 1, Unfinished = 2 }

/** Bits of function flags, as in the trace format. */
export const enum FunctionFlag { C = 1, Generator = 2, Coroutine = 4, AsyncGenerator = 8, Span = 16 }

/** Columns of a `paths` block, in path order. Path 0 is the run; a parent's number is lower than its own. */
export const enum PathColumn {
  Parent, // own number minus the parent's; 0 for path 0
  Function, // function number + 1; 0: the run (path 0), or "others": paths that are folded into their parent
  Calls,
  Raised,
  Unfinished,
  Total,
  Self,
  Suspended,
  FirstStart, // zigzag, minus the parent's first start
  // only for paths with more than one call; for one call they follow from total and first start
  Min,
  Max,
  LastEnd, // minus the first start
  Count,
}

/** Columns of the `pathNotes` block, by rising path number: only paths of which annotations say something. Times in ns. */
export const enum PathNoteColumn {
  Path, // minus the one before it
  Waiting, // off the CPU, callees included; of path 0: all calls
  SelfWaiting,
  OmittedCalls, // left out when recording, right below the path; of path 0: below no call
  OmittedTime,
  Count,
}

/** Columns of the `notes` block, by rising call number: only embedded calls of which annotations say something. Times in quanta. */
export const enum NoteColumn {
  Call, // minus the one before it
  Waiting,
  OmittedCalls,
  OmittedTime,
  ArgumentBytes, // + 1; 0: not recorded
  Text, // no numbers: the arguments, UTF-8, one after the other
  Count,
}

/** Columns of a `calls` block: consecutive embedded calls, in start order. */
export const enum CallColumn {
  Path,
  Start, // zigzag quanta, minus the call before it; the first: minus the block's baseQ
  Flags, // CallFlag
  Lane,
  End, // calls without Late: zigzag quanta, minus the latest end among its children in this block, or its start if higher
  Parent, // with ExplicitParent: own number minus the parent's; 0: no parent
  Suspended, // with Suspended: quanta
  Self, // with ExplicitSelf: quanta
  FoldedCalls, // with Folded: calls below this one that are not embedded …
  FoldedTime, // … and their quanta, counted once
  Count,
}

/** Without ExplicitParent: path 0 as parent path means no parent; else the parent is found from the call of the same lane before
 *  it in this block, going up from that call until the parent path matches. */
export const enum CallFlag {
  OutcomeMask = 3,
  ExplicitParent = 4,
  Suspended = 8,
  ExplicitSelf = 16, // else self = duration minus, for each child in this block, its running time, minus folded time; at least 0
  Folded = 32,
  Late = 64, // open when its block was written: the rest stands in the `late` block
}

/** Columns of the `late` block, by rising call number. All of its calls carry Late in their own block. */
export const enum LateColumn {
  Call, // minus the one before it
  End, // quanta
  Suspended,
  Self,
  Outcome,
  FoldedCalls,
  FoldedTime,
  Count,
}

/** The `functions` block: JSON, one array per field, by function number. */
export interface FunctionTable {
  name: string[];
  module: string[];
  library: string[];
  files: string[]; // file paths …
  file: number[]; // … and for each function its index there, or -1
  line: number[];
  category: number[];
  flags: number[];
  calls: number[];
  raised: number[];
  unfinished: number[];
  totalNs: number[]; // a recursive function counts once
  selfNs: number[];
  minNs: number[];
  maxNs: number[];
}

export interface BlockEntry {
  kind: 'functions' | 'paths' | 'pathNotes' | 'calls' | 'late' | 'notes';
  count: number; // entries
  bytes: number; // raw
  crc: number; // CRC-32 of the raw bytes
  first?: number; // calls: number of its first call
  baseQ?: number; // calls: quanta
}

export interface Directory {
  contract: number;
  generator: string;
  run: {
    name: string;
    command: string;
    startUtc: string; // ISO 8601
    python: string;
    implementation: string;
    host: string;
    os: string;
    pid: string;
    cwd: string;
    backend: string;
    outcome: string;
  };
  labels: [string, string][];
  totals: {
    wallNs: number;
    calls: number;
    events: number;
    functions: number; // called at least once
    lanes: number;
    tasks: number;
    marks: number;
    counters: number;
    waitingNs?: number; // off the CPU inside calls; absent: not recorded
    omittedCalls: number; // left out when recording …
    omittedNs: number; // … and the time in them
    raised: number;
    unfinished: number;
    paths: number;
  };
  recorderCost?: { ns: number; percent: number }; // what recording cost, estimated
  lanes: string[];
  quantumNs: number; // what times of single calls are rounded to
  tickNs: number; // how far apart two times can be, as the clock was read
  slowestPath: number[]; // paths from the root on
  slowestSelf: number; // function with the largest self, or -1
  slowestTotal: number; // function with the largest total that is not a root, or -1
  integrity: {
    complete: boolean;
    cut: boolean;
    damagedBlocks: number;
    damage: string[];
    warnings: string[];
  };
  embedded: {
    calls: number;
    foldedCalls: number; // calls = embedded + folded
    foldedRoots: number; // folded calls that have no embedded call above them
    foldedRootsNs: number;
    foldedPaths: number; // paths in "others" nodes
  };
  blocks: BlockEntry[];
}
