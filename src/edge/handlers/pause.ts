import { pauseAll, pauseView } from '../../operations/views/pause.ts'
import { callerOf, json } from '../http/http.ts'
import { viewPath } from '../http/schemas/fields.ts'
import { validate } from '../http/validate.ts'
import type { HttpHandler } from '../lambda/function.ts'

/** `POST /views/{view}/pause` and `/resume` */
export const answerViewPause =
  (paused: boolean): HttpHandler =>
  async (event, { database }) => {
    const { view } = validate(viewPath, event.pathParameters, 'path')
    return json(200, { view: await pauseView(database, view, paused), paused })
  }

/** `POST /pause` and `/resume` */
export const answerPause =
  (paused: boolean): HttpHandler =>
  async (event, { database }) => {
    await pauseAll(database, paused, callerOf(event))
    return json(200, { paused })
  }
