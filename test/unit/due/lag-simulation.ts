import fc from 'fast-check'
import { dueViews, type LagView } from '../../../src/due/plan/lags.ts'

export const minute = 60_000

/** A view in the simulation: what it reads comes before it. */
export interface SimulatedView {
  reads: number[]
  usualMs: number
  lagMs: number | null
}

interface Run {
  view: number
  began: number
  ends: number
  asOf: number
  fails: boolean
}

/** The planner, called every minute for some hours, and a server that refreshes what it says. */
export function simulate(
  views: SimulatedView[],
  {
    hours,
    concurrency = 2,
    noise,
    fails = () => false,
    look = minute,
  }: {
    hours: number
    concurrency?: number
    /** From 0 to 1: how long a refresh takes, between 0.8 and 1.2 of its usual duration. */
    noise: () => number
    fails?: (now: number, view: number) => boolean
    look?: number
  },
) {
  const state = views.map(({ lagMs, usualMs }, at): LagView & { until: number } => ({
    view: `v${at}`,
    lagMs,
    follows: true,
    busy: false,
    asOf: null,
    heldBackBy: null,
    filledAt: null,
    usualMs,
    failures: 0,
    suspendAfter: 5,
    limitMs: null,
    intervalMs: null,
    failedAt: null,
    until: 0,
  }))
  const dependencies = new Map(views.map(({ reads }, at) => [`v${at}`, reads.map((read) => `v${read}`)]))
  const open: { waiting: Set<number>; running: Set<number>; failed: Set<number> }[] = []
  const runs: Run[] = []
  const running: (Run & { batch: (typeof open)[number] })[] = []
  /** How old each view was when a refresh of it ended, without the first. */
  const ages: { view: number; ms: number; at: number }[] = []
  const end = (run: Run & { batch: (typeof open)[number] }) => {
    const view = state[run.view]!
    running.splice(running.indexOf(run), 1)
    run.batch.running.delete(run.view)
    view.busy = false
    if (run.fails) {
      run.batch.failed.add(run.view)
      view.failures++
      view.failedAt = run.ends
      return
    }
    if (view.asOf !== null) ages.push({ view: run.view, ms: run.ends - view.asOf, at: run.ends })
    const parents = views[run.view]!.reads.map((read) => state[read]!)
    Object.assign(view, { asOf: run.asOf, filledAt: run.began, failures: 0, failedAt: null })
    const older = parents.filter(({ asOf }) => asOf === null || asOf <= run.asOf)
    view.heldBackBy = older.length === 0 ? null : (older[0]!.heldBackBy ?? older[0]!.view)
    runs.push(run)
  }
  const send = (now: number) => {
    for (const batch of open) {
      for (const at of batch.waiting) {
        if (views[at]!.reads.some((read) => batch.waiting.has(read) || batch.running.has(read))) continue
        if (views[at]!.reads.some((read) => batch.failed.has(read))) {
          batch.waiting.delete(at)
          batch.failed.add(at)
          Object.assign(state[at]!, {
            busy: false,
            failedAt: now,
            failures: Math.max(1, state[at]!.failures),
          })
          continue
        }
        if (batch.running.size >= concurrency) break
        batch.waiting.delete(at)
        batch.running.add(at)
        const asOf = Math.min(now, ...views[at]!.reads.map((read) => state[read]!.asOf ?? 0))
        const ends = now + Math.round(views[at]!.usualMs * (0.8 + 0.4 * noise()))
        running.push({ view: at, began: now, ends, asOf, fails: fails(now, at), batch })
      }
    }
  }
  const began: { view: number; at: number }[] = []
  for (let now = 0; now < hours * 60 * minute; now += look) {
    for (;;) {
      const next = running.filter(({ ends }) => ends <= now).sort((a, b) => a.ends - b.ends)[0]
      if (next === undefined) break
      end(next)
      send(next.ends)
    }
    const due = dueViews(state, dependencies, { now, everyMs: look, concurrency }).map((name) =>
      Number(name.slice(1)),
    )
    for (const at of due) {
      if (state[at]!.busy) throw new Error(`v${at} is busy`)
      state[at]!.busy = true
      began.push({ view: at, at: now })
    }
    if (due.length > 0)
      open.push({ waiting: new Set(due.sort((a, b) => a - b)), running: new Set(), failed: new Set() })
    send(now + 3000)
  }
  return { runs, ages, began }
}

/** Views in dependency order, with lags that can be kept: `spare` times the work of all of them fits in. */
export const keepable = (spare: number) =>
  fc
    .array(
      fc.record({
        usualMs: fc.integer({ min: 500, max: 45_000 }),
        reads: fc.array(fc.nat(6), { maxLength: 2 }),
        more: fc.option(fc.integer({ min: 0, max: 60 }), { nil: null }),
      }),
      { minLength: 2, maxLength: 7 },
    )
    .map((drawn) => {
      const all = drawn.reduce((sum, { usualMs }) => sum + usualMs, 0)
      const least = Math.ceil((2 * minute + 10_000 + spare * all) / minute) * minute
      return drawn.map(({ usualMs, reads, more }, at): SimulatedView => {
        const isRead = drawn.some((other, later) => later > at && other.reads.includes(at))
        return {
          usualMs,
          reads: [...new Set(reads.filter((read) => read < at))],
          lagMs: isRead && more === null ? null : least + (more ?? 0) * minute,
        }
      })
    })

export const noiseOf = (seed: number) => () => {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
  return seed / 2_147_483_648
}
