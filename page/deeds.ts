import { randomUUID } from 'node:crypto'
import type { View } from '../src/api/answers.ts'
import { type Api, ask, readRun, readView, readViews } from '../src/api/ask.ts'
import type { Strategy } from '../src/catalog/plan/definition.ts'
import { allPausedMeans, pausedMeans } from '../src/resources/views.ts'
import { count } from '../src/words/phrases.ts'
import { Problem } from '../src/words/problem.ts'
import { hrefOf } from './address.ts'
import type { Question } from './frame.tsx'
import { select } from './pages/views.tsx'

// What the forms of the page do. Each asks first where it hurts, and says what came of it.

/** The fields of a form; of those that may stand several times, `view` alone is read as a list. */
export interface Fields {
  get(name: string): string | undefined
  views: string[]
}

/** What came of a deed: a question that has to be answered first, where to go, a run to tell of, or a sentence. */
export type DeedResult = { ask: Question } | { to: string } | { run: number } | { said: string; bad?: true }

const key = () => ({ idempotencyKey: randomUUID() })
const yes = (fields: Fields, name: string) => fields.get(name) === 'true' || undefined
const isSure = (fields: Fields) => fields.get('sure') === 'yes'

export const deeds: Record<string, (api: Api, fields: Fields) => Promise<DeedResult>> = {
  async refresh(api, fields) {
    const view = await readView(api, fields.views[0] ?? '')
    const strategy = (fields.get('strategy') || undefined) as Strategy | undefined
    const hurts = whatHurts(view, strategy)
    if (hurts && !isSure(fields))
      return { ask: { title: `Refresh ${view.view}?`, text: hurts, yes: 'Refresh' } }
    const body = { ...(strategy && { strategy }), ...(view.paused && { force: true }) }
    return { run: (await ask(api, 'refreshView', { view: view.view, body, ...key() })).runId }
  },

  async pause(api, { views: [view = ''] }) {
    await ask(api, 'pauseView', { view, body: {}, ...key() })
    return { said: `${view} is paused: ${pausedMeans}` }
  },

  async resume(api, { views: [view = ''] }) {
    await ask(api, 'resumeView', { view, ...key() })
    return { said: `${view} is refreshed again` }
  },

  async check(api, { views: [view = ''] }) {
    const { checks, passes } = await ask(api, 'checkView', { view })
    const bad = checks.filter(({ rows }) => rows !== 0)
    if (bad.length === 0) return { said: `${view}: ${count(checks.length, 'check')} found nothing` }
    const found = bad.map(({ name, rows, error }) => `${name}: ${error?.message ?? count(rows ?? 0, 'row')}`)
    return { said: `${view}: ${found.join('; ')}`, ...(!passes && { bad: true }) }
  },

  async 'pause-all'(api, fields) {
    const text =
      'Schedules and deploys start no refresh until somebody resumes. All views will go out of date.'
    if (!isSure(fields)) return { ask: { title: 'Pause everything scheduled?', text, yes: 'Pause all' } }
    await ask(api, 'pauseAll', { body: {}, ...key() })
    return { said: `Everything scheduled is paused: ${allPausedMeans}` }
  },

  async 'resume-all'(api) {
    await ask(api, 'resumeAll', key())
    return { said: 'Schedules refresh the views again' }
  },

  async 'refresh-all'(api, fields) {
    if (isSure(fields)) return startBatch(api, { all: true })
    const { views } = await readViews(api)
    const text = `One batch refreshes ${count(views.length, 'view')} in dependency order, except those that are paused or left out of batches.`
    return { ask: { title: 'Refresh every view?', text, yes: 'Refresh all' } }
  },

  /** All that the list shows, or those whose boxes are checked. */
  async chosen(api, fields) {
    const views =
      fields.get('all') === undefined
        ? fields.views
        : select((await readViews(api)).views, { q: fields.get('q'), state: fields.get('state') }).map(
            ({ view }) => view,
          )
    if (views.length === 0) return { said: 'No view is chosen', bad: true }
    if (fields.get('deed') === 'refresh')
      return startBatch(api, {
        views,
        ancestors: yes(fields, 'ancestors'),
        descendants: yes(fields, 'descendants'),
      })
    const pauses = fields.get('deed') === 'pause'
    let done = 0
    const said = () =>
      `${count(done, 'view')} ${done === 1 ? 'is' : 'are'} ${pauses ? 'paused' : 'refreshed again'}`
    try {
      for (const view of views) {
        await ask(api, pauses ? 'pauseView' : 'resumeView', { view, ...key() })
        done++
      }
    } catch (thrown) {
      if (!(thrown instanceof Problem)) throw thrown
      throw new Problem(thrown.code, `${thrown.message} ${said()}, of ${views.length}.`, thrown.details)
    }
    return { said: pauses ? `${said()}: ${pausedMeans}` : said() }
  },

  async 'cancel-run'(api, fields) {
    return { run: (await ask(api, 'cancelRun', { id: fields.get('id')!, ...key() })).runId }
  },

  /** Does again what a run was to do, in the same way. */
  async 'retry-run'(api, fields) {
    const { view, operation, result } = await readRun(api, Number(fields.get('id')))
    if (yes(fields, 'descendants')) return startBatch(api, { views: [view], descendants: true })
    const { view: _view, ...body } = result.request
    const route = operation === 'create' ? 'createView' : 'refreshView'
    const { runId } = await ask(api, route, { view, body, ...key() })
    return { to: hrefOf('run', runId, { told: String(runId) }) }
  },

  async 'cancel-batch'(api, fields) {
    const id = fields.get('id')!
    const text = 'Runs that go on are stopped, views that wait are not refreshed. What is done stays done.'
    if (!isSure(fields)) return { ask: { title: 'Cancel the batch?', text, yes: 'Cancel the batch' } }
    await ask(api, 'cancelBatch', { id, ...key() })
    return { said: `Batch ${id} is canceled` }
  },

  'retry-batch': (api, fields) =>
    startBatch(api, { retryOf: fields.get('id')!, descendants: yes(fields, 'descendants') }),
}

async function startBatch(
  api: Api,
  body: Parameters<typeof ask<'startBatch'>>[2]['body'],
): Promise<DeedResult> {
  return { to: hrefOf('batch', (await ask(api, 'startBatch', { body, ...key() })).batchId) }
}

/** Why a person is asked before a view is refreshed; empty: nothing hurts. */
const whatHurts = (view: Pick<View, 'paused' | 'strategy' | 'populated'>, strategy = view.strategy): string =>
  [
    view.paused && 'The view is paused. This refresh runs all the same, and the view stays paused.',
    strategy === 'regular' &&
      view.populated &&
      'Strategy regular locks the readers of the view out until the refresh has ended.',
  ]
    .filter(Boolean)
    .join(' ')
