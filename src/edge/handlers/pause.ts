import { callerOf, json } from '../http/http.ts'
import { viewPath } from '../http/schemas/fields.ts'
import { validate } from '../http/validate.ts'
import type { HandlersOf, HttpHandler } from '../lambda/function.ts'

const answerViewPause =
  (paused: boolean): HttpHandler =>
  async (event, { database }) => {
    const { view } = validate(viewPath, event.pathParameters, 'path')
    const { pauseView } = await import('../../operations/views/pause.ts')
    return json(200, { view: await pauseView(database, view, paused, callerOf(event)), paused })
  }

const answerPause =
  (paused: boolean): HttpHandler =>
  async (event, { database }) => {
    const { pauseAll } = await import('../../operations/views/pause.ts')
    await pauseAll(database, paused, callerOf(event))
    return json(200, { paused })
  }

/** Pauses and resumes one view, or everything that is scheduled, at once. */
export const pausing = {
  pauseView: answerViewPause(true),
  resumeView: answerViewPause(false),
  pauseAll: answerPause(true),
  resumeAll: answerPause(false),
} satisfies Partial<HandlersOf<'api'>>
