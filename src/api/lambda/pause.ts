import { Problem } from '../../problem.ts'
import { pauseAll, pauseView } from '../../watch/pause.ts'
import { bodyOf, callerOf, type HttpEvent, json } from '../http.ts'
import type { PauseState } from '../schemas/answers.ts'
import { viewPath } from '../schemas/fields.ts'
import { pauseOptions } from '../schemas/pauses.ts'
import { validate } from '../validate.ts'
import type { HandlersOf, HttpHandler } from './function.ts'

/** When a pause ends by itself; null: when somebody ends it. Refuses a moment that is over. */
function untilOf(event: HttpEvent): Date | null {
  const { until } = validate(pauseOptions, bodyOf(event), 'body')
  if (until === undefined) return null
  const at = new Date(until)
  if (at.getTime() > Date.now()) return at
  throw new Problem('InvalidRequest', `until: ${until} is over. Name a moment to come.`, { field: 'until' })
}

const answerViewPause =
  (paused: boolean): HttpHandler =>
  async (event, { database }) => {
    const { view } = validate(viewPath, event.pathParameters, 'path')
    const until = paused ? untilOf(event) : null
    const name = await pauseView(database, view, paused, callerOf(event), until)
    return json<PauseState>(200, { view: name, paused })
  }

const answerPause =
  (paused: boolean): HttpHandler =>
  async (event, { database }) => {
    await pauseAll(database, paused, callerOf(event), paused ? untilOf(event) : null)
    return json<PauseState>(200, { paused })
  }

/** Pauses and resumes one view, or everything that is scheduled, at once. */
export const pausing = {
  pauseView: answerViewPause(true),
  resumeView: answerViewPause(false),
  pauseAll: answerPause(true),
  resumeAll: answerPause(false),
} satisfies Partial<HandlersOf<'api'>>
