import { dependents, viewsAbove } from '../../catalog/plan/graph.ts'
import type {
  FailedBatch,
  FailingChannel,
  FailingStep,
  FoundWrong,
  IncidentCause,
  Judgement,
  LostParts,
  SlowRun,
} from '../../record/plan/watch.ts'
import { type CauseCode, wordsOf } from '../../words/causes.ts'
import { type CommandTarget, command } from '../../words/commands.ts'
import { batchName, type IncidentKind, isOfView, stepName } from '../../words/event.ts'
import { count, utc } from '../../words/phrases.ts'
import { type ProblemCode, titleOf } from '../../words/problem.ts'
import type { Cause, ExaminedView, Surroundings } from '../diagnosis/cause.ts'
import { whyOf } from '../diagnosis/diagnose.ts'
import { ownCauses } from '../diagnosis/own-causes.ts'
import { runCause, slowCause } from '../diagnosis/run-cause.ts'
import { theServer } from './incidents.ts'
import { failingStepText, failingText, type Unheard } from './silence.ts'
import type { Finding } from './wrong.ts'

/** What judging needs to know. */
export interface JudgeFacts extends Omit<Surroundings, 'clock'> {
  /** The views that are not well and those above them, by name. */
  views: Map<string, ExaminedView>
  /** As of when the data of every view are, by name. */
  ages: Map<string, Date | null>
  /** Which views each view reads. */
  reads: Map<string, string[]>
}

/** What is judged besides views. */
export interface Besides {
  slow: SlowRun[]
  /** The views whose runs have waited for a lock for long. */
  waits: string[]
  wrong: FoundWrong[]
  lost: LostParts[]
  steps: FailingStep[]
  batches: FailedBatch[]
  channels: FailingChannel[]
  unheard: Unheard[]
}

/** Facts about no view. */
export const noViews = {
  now: new Date(0),
  allPaused: null,
  reads: new Map(),
  views: new Map(),
  ages: new Map(),
} satisfies Omit<JudgeFacts, 'typed'>

/** Whether the cause follows from the facts of the view: a slow run that has ended says all itself, and so do wrong rows and lost parts. */
export const needsFacts = ({ kind, name }: Finding, { waits }: Pick<Besides, 'waits'>): boolean =>
  isOfView(kind) && kind !== 'wrong' && kind !== 'lost' && (kind !== 'slow' || waits.includes(name))

/** Says why what was found is not well, as `viewkeeper why` does, and what to fix first, by subject. Pure. */
export function judgeFound(
  found: Finding[],
  { slow, waits, wrong, lost, steps, batches, channels, unheard }: Besides,
  facts: JudgeFacts,
): Map<string, Judgement> {
  const judge = new Judge(facts)
  const byName = Map.groupBy(
    found.filter((each) => needsFacts(each, { waits })),
    ({ name }) => name,
  )
  return new Map([
    ...slow.map((run) => [run.view, judgeSlow(run, facts.typed)] as const),
    ...wrong.map((found) => [found.view, judgeWrong(found)] as const),
    ...lost.map((found) => [found.view, judgeLost(found)] as const),
    ...[...byName].flatMap(([name, [first]]) => {
      const judged = judge.ofView(name, first?.kind ?? 'stale')
      return judged === undefined ? [] : [[name, judged] as const]
    }),
    ...steps.map((failing) => [stepName(failing.step), judgeStep(failing)] as const),
    ...batches.map((batch) => [batchName(batch.id), judgeBatch(batch, facts.typed)] as const),
    ...channels.map((failing) => [failing.channel, judgeChannel(failing)] as const),
    ...unheard.map(({ channel, text, next }) => {
      const cause = { ...plain('Failed'), text: `${text}.`, next, runbook: 'failing-channel' }
      return [channel, { culprit: channel, cause }] as const
    }),
  ])
}

class Judge {
  private readonly facts: JudgeFacts
  private readonly around: Surroundings
  private readonly readers: Map<string, string[]>

  constructor(facts: JudgeFacts) {
    this.facts = facts
    this.around = { ...facts, clock: utc }
    this.readers = dependents(facts.reads)
  }

  /** Why a view has an incident of this kind; undefined: it has none any more. */
  ofView(name: string, kind: IncidentKind): Judgement | undefined {
    const view = this.facts.views.get(name)
    if (kind === 'aside') return alone('SetAside', command(['put-back', '--dry-run'], null))
    if (view === undefined) return alone('NotScheduled')
    if (kind === 'failing') {
      // Its own failure, also if a view that it reads is at fault now.
      const run = view.runs.find(({ status }) => status === 'failed')
      const own = ownCauses(view, this.around).find(({ runId }) => runId !== undefined && runId === run?.id)
      const why = own ?? (run && runCause(view, run, this.around))
      if (why !== undefined) return this.told(why, view)
    }
    const code = codes[kind]
    const own = code && ownCauses(view, this.around).find((each) => each.code === code)
    if (kind === 'slow' && own === undefined) return undefined
    return own ? this.told(own, view) : this.ofStanding(view)
  }

  private ofStanding(view: ExaminedView): Judgement {
    const { views, reads } = this.facts
    const above = viewsAbove(view.view, reads).flatMap((each) => views.get(each) ?? [])
    const [first] = whyOf(view, above, (each) => reads.get(each) ?? [], this.around)
    if (first === undefined) return alone('NotScheduled')
    const fault = views.get(first.view ?? '')
    // What is paused as a whole is no cause of a view above.
    const own =
      fault &&
      ownCauses(fault, { ...this.around, allPaused: null }).find(({ code }) => code === first.upstream)
    return fault && own ? this.told(own, fault) : this.told(first, view)
  }

  private told({ code, text, next, view: above, runId, batchId }: Cause, view: ExaminedView): Judgement {
    const run = view.runs.find(({ id }) => id === runId)
    const isOfBatch = code === 'Canceled' && run?.batchCanceled === true
    const words = wordsOf(code)
    const fault = words.brief === undefined || isOfBatch ? null : view.view
    const error = run?.error && ['Failed', 'CheckFailed', 'Locked'].includes(code) ? run.error : null
    const [lock] = code === 'Locked' ? view.locks : []
    const shared = isOfBatch && batchId !== undefined ? batchName(batchId) : words.isOne ? code : view.view
    const holder = lock && (lock.pid === null ? 'a prepared transaction' : `process ${lock.pid}`)
    const server = error !== null && isOfServer(error) ? theServer : undefined
    return {
      culprit: holder ?? server ?? fault ?? above ?? shared,
      cause: {
        code,
        text,
        next,
        view: fault,
        error: error && briefly(error),
        runId: runId ?? null,
        batchId: batchId ?? null,
        holdsBack: fault === null ? [] : this.waiting(fault, run?.finishedAt ?? this.facts.now),
        runbook: error?.class ?? words.section,
      },
    }
  }

  /** The views that read a view, directly or through others, and show data from before `at`. */
  private waiting(view: string, at: Date): string[] {
    return viewsAbove(view, this.readers)
      .filter((each) => (this.facts.ages.get(each) ?? 0) <= at)
      .sort()
      .slice(0, mostHeldBack)
  }
}

const mostHeldBack = 20

/** An error with the few words that a subject has room for: the server's about a query, else those of its class. */
function briefly({ class: code, sqlstate, message }: FailedBatch['error']): IncidentCause['error'] {
  const said = isOfQuery.has(code) ? message : titleOf(code as ProblemCode)
  return {
    class: code,
    sqlstate,
    message: said.replace(/^[A-Z](?=[a-z ])/, (first) => first.toLowerCase()).replace(/\.$/, ''),
  }
}

const isOfQuery = new Set(['ViewSqlFailed', 'StatementTimeout'])

/** Whether an error would meet any view. 53: the server has no room, memory or connection left. */
const isOfServer = ({ sqlstate, class: code }: { sqlstate: string | null; class: string }): boolean =>
  sqlstate?.startsWith('53') === true || code === 'DatabaseUnavailable' || code === 'TooManyConnections'

/** The cause that a kind of incident is. */
const codes: Partial<Record<IncidentKind, CauseCode>> = {
  lag: 'LagTooShort',
  suspended: 'Suspended',
  paused: 'Paused',
  slow: 'Locked',
}

/** That a refresh took long. */
const judgeSlow = (run: SlowRun, typed: CommandTarget): Judgement => {
  const { text, next } = slowCause(run, typed)
  return { culprit: run.view, cause: { ...plain('Slow'), text, next, view: run.view, runId: run.id } }
}

/** That rows were wrong, as their strategy tells it. */
const judgeWrong = (told: FoundWrong): Judgement => ({
  culprit: told.view,
  cause: { ...plain('WrongSlices'), ...told },
})

/** What was lost with a view that was dropped. */
function judgeLost({ view, since, parts }: LostParts): Judgement {
  const counts = [...Map.groupBy(parts, (what) => what)].map(([what, of]) =>
    count(of.length, what, what === 'index' ? 'indexes' : undefined),
  )
  return {
    culprit: view,
    cause: {
      ...plain('Lost'),
      text: `${view} was dropped and made again outside of Viewkeeper, as the look of ${utc(since)} found. Missing since: ${counts.join(', ')}.`,
      next: command(['restore', view], null),
      view,
    },
  }
}

/** Why a batch failed that no view of it explains. */
function judgeBatch({ id, error, finishedAt }: FailedBatch, typed: CommandTarget): Judgement {
  const isLost = error.class === 'BatchLost'
  return {
    culprit: batchName(id),
    cause: {
      ...plain('Failed'),
      text: `Batch ${id} failed at ${utc(finishedAt)}: ${error.message.replace(/\.?$/, '.')}`,
      next: command(['retry', id], typed),
      error: briefly(error),
      batchId: id,
      runbook: isLost ? 'BatchLost' : 'failed-batches',
    },
  }
}

/** Why looks of the monitor do not find what they should. */
const judgeStep = (failing: FailingStep): Judgement => ({
  culprit: stepName(failing.step),
  cause: {
    ...plain('Failed'),
    text: `The ${failingStepText(failing)}. The rest of each look goes on.`,
    runbook: 'failing-step',
  },
})

/** Why messages do not arrive. */
const judgeChannel = (failing: FailingChannel): Judgement => ({
  culprit: failing.channel,
  cause: {
    ...plain('Failed'),
    text: `${failingText(failing, utc(failing.since))}.`,
    runbook: 'failing-channel',
  },
})

const plain = (code: CauseCode): IncidentCause => ({
  code,
  text: wordsOf(code).several ?? '',
  next: null,
  view: null,
  error: null,
  runId: null,
  batchId: null,
  holdsBack: [],
  runbook: wordsOf(code).section,
})

/** A cause of which nothing else is known. */
const alone = (code: CauseCode, next: string | null = null): Judgement => ({
  culprit: code,
  cause: { ...plain(code), next },
})
