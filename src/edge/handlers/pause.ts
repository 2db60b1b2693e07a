import { pauseAll, pauseView } from '../../watch/pause.ts'
import { callerOf, json } from '../http/http.ts'
import type { PauseState } from '../http/schemas/answers.ts'
import { viewPath } from '../http/schemas/fields.ts'
import { validate } from '../http/validate.ts'
import type { HandlersOf, HttpHandler } from '../lambda/function.ts'

const answerViewPause =
  (paused: boolean): HttpHandler =>
  async (event, { database }) => {
    const { view } = validate(viewPath, event.pathParameters, 'path')
    return json<PauseState>(200, { view: await pauseView(database, view, paused, callerOf(event)), paused })
  }

const answerPause =
  (paused: boolean): HttpHandler =>
  async (event, { database }) => {
    await pauseAll(database, paused, callerOf(event))
    return json<PauseState>(200, { paused })
  }

/** Pauses and resumes one view, or everything that is scheduled, at once. */
export const pausing = {
  pauseView: answerViewPause(true),
  resumeView: answerViewPause(false),
  pauseAll: answerPause(true),
  resumeAll: answerPause(false),
} satisfies Partial<HandlersOf<'api'>>
