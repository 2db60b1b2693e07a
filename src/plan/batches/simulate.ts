import { worthTellingMs } from '../diagnosis/held-back.ts'
import { outsideCircles } from '../views/graph.ts'
import { dueViews, type LagView, type Look } from './due.ts'
import { type BatchableView, planBatch } from './plan.ts'

/** A view whose refreshes are foretold. */
export interface ForetoldView extends LagView, BatchableView {
  /** The part of its refreshes that are left out because nothing has changed, from 0 to 1. */
  leftOutShare: number
}

/** A moment at which a schedule begins one batch of these views. */
export interface Turn {
  at: number
  /** The selection of the batch: while one of the same selection is open, the batch is skipped. */
  key: string
  views: string[]
}

/** One hour of refreshes. */
export interface Hour {
  at: number
  refreshes: number
  /** The time that all its refreshes take together. */
  busyMs: number
  /** How many go on at the same moment, at most. */
  atOnce: number
}

/** What is foretold of one view. */
export interface Foretold {
  view: string
  refreshes: number
  /** How many of them are left out, because nothing has changed. */
  leftOut: number
  busyMs: number
  /** How often a schedule is to refresh it, and how often the batch is skipped, because the one before is still open. */
  turns: number
  missedTurns: number
  /** `long`: its own refresh takes longer than the time between two turns. `met`: it waited for its run in another batch. */
  missedBecause: 'long' | 'met' | null
  /** How old its data become at most; null if nobody knows. */
  oldestMs: number | null
  /** The view that holds it back at that moment. */
  heldBackBy: string | null
  /** How old they become after its first refresh that is foretold, while no view holds it back. */
  steadyMs: number | null
}

/** What a simulation goes by. */
export interface Simulation extends Omit<Look, 'everyMs'> {
  /** The time between two looks at target lags; null: nobody looks. */
  everyMs: number | null
  /** The first hour that is told begins here, not before `now`. */
  from: number
  hours: number
}

const hourMs = 3600_000
const unknownMs = 1000
/** The time from a look until the batch of what is due begins. */
const lookMs = 3000

/** So many views times looks take some seconds on the processor of a small function. */
const mostViewLooks = 500_000

/** The time between two looks in a simulation: if there are many views, only some looks are simulated. Pure. */
export const simulatedEveryMs = (views: number, everyMs: number, hours: number): number =>
  everyMs * Math.max(1, Math.ceil((views * hours * hourMs) / everyMs / mostViewLooks))

/**
 * The refreshes of the coming hours, if each takes as long as usual and succeeds: by schedules, and by target lags as the planner
 * of target lags says at each look. Batches refresh views in dependency order. Pure.
 */
export function simulate(
  views: ForetoldView[],
  dependencies: Map<string, string[]>,
  turns: Turn[],
  simulation: Simulation,
): { hours: Hour[]; views: Foretold[] } {
  const server = new Server(views, dependencies, simulation)
  const { now, everyMs, from, hours } = simulation
  const until = from + hours * hourMs
  const looks = everyMs !== null && views.some(({ lagMs, follows }) => follows && lagMs !== null)
  const next = [...turns].sort((one, other) => one.at - other.at)
  let look = now
  server.begin(
    now,
    views.flatMap(({ view, busy }) => (busy ? [view] : [])),
  )
  for (;;) {
    const turn = next[0]?.at ?? Infinity
    const at = Math.min(server.next(), turn, looks ? look : Infinity)
    if (at >= until) break
    server.goOnUntil(at)
    if (at === turn) server.turn(next.shift()!)
    if (looks && at === look) {
      server.begin(at + lookMs, server.due(at, everyMs))
      look += everyMs
    }
  }
  return server.told(until)
}

interface State extends Foretold {
  facts: ForetoldView
  /** The view as planning by target lags sees it at this moment. */
  lag: LagView
  /** What is left of a refresh that is left out: the refresh is, when this reaches 1. */
  spared: number
  /** In how many open batches it has not been refreshed yet. */
  queued: number
  running: boolean
  /** Whether a refresh that is foretold has ended. */
  renewed: boolean
}

interface Batch {
  key: string | null
  beginsAt: number
  /** The views in the order in which they may begin, with those of the batch that each reads. */
  waiting: Map<State, State[]>
  running: Set<State>
  /** The views that have waited for a run in another batch. */
  met: Set<State>
}

interface Running {
  state: State
  batch: Batch
  began: number
  ends: number
  leftOut: boolean
  asOf: number | null
  heldBackBy: string | null
}

const usualOf = ({ facts: { usualMs } }: State): number => Math.round(usualMs ?? unknownMs)

/** A database, and what goes on there. */
class Server {
  private readonly states: Map<string, State>
  private readonly dependencies: Map<string, string[]>
  private readonly simulation: Simulation
  private readonly hours: Hour[]
  private readonly open = new Set<Batch>()
  /** The open batches that have not begun. */
  private pending: Batch[] = []
  private running: Running[] = []

  constructor(views: ForetoldView[], dependencies: Map<string, string[]>, simulation: Simulation) {
    this.dependencies = dependencies
    this.simulation = simulation
    this.states = new Map(
      views.map((facts) => [
        facts.view,
        {
          view: facts.view,
          facts,
          lag: { ...facts, busy: false, failures: 0, failedAt: null },
          spared: 0,
          queued: 0,
          running: false,
          renewed: false,
          refreshes: 0,
          leftOut: 0,
          busyMs: 0,
          turns: 0,
          missedTurns: 0,
          missedBecause: null,
          oldestMs: null,
          heldBackBy: null,
          steadyMs: null,
        },
      ]),
    )
    this.hours = Array.from({ length: simulation.hours }, (_, at) => ({
      at: simulation.from + at * hourMs,
      refreshes: 0,
      busyMs: 0,
      atOnce: 0,
    }))
  }

  /** When a batch begins or a refresh ends next. */
  next = (): number =>
    Math.min(
      Infinity,
      ...this.pending.map(({ beginsAt }) => beginsAt),
      ...this.running.map(({ ends }) => ends),
    )

  due(now: number, everyMs: number): string[] {
    const lags = [...this.states.values()].map(({ lag }) => lag)
    return dueViews(lags, this.dependencies, { ...this.simulation, now, everyMs })
  }

  /** A schedule's turn: while the batch of a turn before is open, the new one is skipped. */
  turn({ at, key, views }: Turn): void {
    const asked = views.flatMap((name) => this.states.get(name) ?? []).filter(({ facts }) => !facts.paused)
    const open = [...this.open].find((batch) => batch.key === key)
    if (at >= this.simulation.from)
      for (const state of asked) {
        state.turns++
        if (open === undefined) continue
        state.missedTurns++
        if (usualOf(state) > at - open.beginsAt) state.missedBecause = 'long'
        else if (open.met.has(state) && (open.waiting.has(state) || state.running))
          state.missedBecause ??= 'met'
      }
    if (open === undefined)
      this.begin(
        at,
        asked.map(({ view }) => view),
        key,
      )
  }

  /** Begins one batch of these views, without those that no batch can refresh, because they read each other in a circle. */
  begin(at: number, names: string[], key: string | null = null): void {
    const reads = new Map(names.map((name) => [name, this.dependencies.get(name) ?? []]))
    const states = outsideCircles(reads).flatMap((name) => this.states.get(name) ?? [])
    if (states.length === 0) return
    const byId = new Map(states.map((state) => [state.facts.id, state]))
    const stateOf = (id: number) => byId.get(id) as State
    const planned = planBatch(
      states.map(({ facts }) => facts),
      this.dependencies,
    )
    const waiting = new Map(planned.map(({ id, parents }) => [stateOf(id), parents.map(stateOf)]))
    const batch = { key, beginsAt: at, waiting, running: new Set<State>(), met: new Set<State>() }
    this.open.add(batch)
    this.pending.push(batch)
    for (const state of states) {
      state.queued++
      state.lag.busy = true
    }
  }

  /** Ends what ends by then, and begins what waited for it or for this moment. */
  goOnUntil(at: number): void {
    for (let now = this.next(); now <= at; now = this.next()) {
      const ended = this.running.filter(({ ends }) => ends === now)
      this.running = this.running.filter(({ ends }) => ends !== now)
      for (const run of ended) this.end(run)
      this.pending = this.pending.filter(({ beginsAt }) => beginsAt !== now)
      for (const batch of this.open) if (batch.beginsAt <= now) this.send(now, batch)
    }
  }

  /** What is told when the time is over. */
  told(until: number): { hours: Hour[]; views: Foretold[] } {
    for (const state of this.states.values()) this.age(state, until)
    for (const run of this.running) this.count(run)
    return {
      hours: this.hours,
      views: [...this.states.values()].map(
        ({
          facts: _,
          lag: _lag,
          spared: _spared,
          queued: _queued,
          running: _running,
          renewed: _renewed,
          ...told
        }) => told,
      ),
    }
  }

  private send(at: number, batch: Batch): void {
    const { waiting, running, met } = batch
    for (const [state, parents] of waiting) {
      if (running.size >= this.simulation.concurrency) break
      if (parents.some((parent) => waiting.has(parent) || running.has(parent))) continue
      if (state.running) {
        met.add(state)
        continue
      }
      waiting.delete(state)
      running.add(state)
      this.run(at, state, batch)
    }
  }

  private run(began: number, state: State, batch: Batch): void {
    state.running = true
    state.spared += state.facts.leftOutShare
    const leftOut = state.spared >= 1
    if (leftOut) state.spared--
    const ends = began + (leftOut ? 0 : usualOf(state))
    this.running.push({ state, batch, began, ends, leftOut, ...this.asOf(state, began) })
    const atOnce = this.running.filter((run) => !run.leftOut)
    for (const hour of this.hours) {
      const isFirst = began >= hour.at && began < hour.at + hourMs
      if (isFirst) {
        hour.refreshes++
        state.refreshes++
        if (leftOut) state.leftOut++
      }
      // As many go on at the beginning of an hour as began before it and end within it or later.
      const many = isFirst
        ? atOnce.length
        : atOnce.filter((run) => run.began < hour.at && run.ends > hour.at).length
      if (!leftOut && ends > hour.at && began < hour.at + hourMs) hour.atOnce = Math.max(hour.atOnce, many)
    }
  }

  /** As of when the data of a refresh are that begins now: the oldest of what it reads, if that is older. */
  private asOf({ view }: State, began: number): Pick<Running, 'asOf' | 'heldBackBy'> {
    let found: Pick<Running, 'asOf' | 'heldBackBy'> = { asOf: began, heldBackBy: null }
    for (const name of this.dependencies.get(view) ?? []) {
      const read = this.states.get(name)?.lag
      if (read === undefined || (read.asOf ?? -Infinity) >= (found.asOf ?? -Infinity)) continue
      found = { asOf: read.asOf, heldBackBy: read.heldBackBy ?? name }
    }
    return found
  }

  private end(run: Running): void {
    const { state, batch, began, ends, asOf, heldBackBy } = run
    this.age(state, ends)
    this.count(run)
    batch.running.delete(state)
    if (batch.running.size + batch.waiting.size === 0) this.open.delete(batch)
    state.running = false
    state.renewed = true
    state.queued--
    Object.assign(state.lag, { busy: state.queued > 0, asOf, heldBackBy, filledAt: began })
  }

  /** Remembers how old the data are at this moment, if that is older than before. */
  private age(state: State, at: number): void {
    const { asOf, filledAt, heldBackBy } = state.lag
    const freshAt = asOf ?? filledAt
    if (at < this.simulation.from || freshAt === null) return
    const ms = at - freshAt
    // What is of unknown age, or was read a little earlier in the same batch, is not blamed.
    const isHeld = asOf !== null && filledAt !== null && filledAt - asOf >= worthTellingMs
    if (state.renewed && !isHeld) state.steadyMs = Math.max(state.steadyMs ?? 0, ms)
    if (ms <= (state.oldestMs ?? -1)) return
    state.oldestMs = ms
    state.heldBackBy = isHeld ? heldBackBy : null
  }

  /** Adds a run to the hours that it touches. */
  private count({ state, began, ends }: Running): void {
    for (const hour of this.hours) {
      const ms = Math.min(ends, hour.at + hourMs) - Math.max(began, hour.at)
      if (ms <= 0) continue
      hour.busyMs += ms
      state.busyMs += ms
    }
  }
}
