import { pauseAll, pauseView } from '../../operations/views/pause.ts'
import { callerOf, type HttpAnswer, type HttpEvent, json } from '../http/http.ts'
import { viewPath } from '../http/schemas.ts'
import { validate } from '../http/validate.ts'
import { databaseFromEnvironment } from '../server/configuration.ts'

/** `POST /views/{view}/pause` and `/resume` */
export const answerViewPause =
  (paused: boolean) =>
  async (event: HttpEvent): Promise<HttpAnswer> => {
    const { view } = validate(viewPath, event.pathParameters, 'path')
    return json(200, { view: await pauseView(databaseFromEnvironment(), view, paused), paused })
  }

/** `POST /pause` and `/resume` */
export const answerPause =
  (paused: boolean) =>
  async (event: HttpEvent): Promise<HttpAnswer> => {
    await pauseAll(databaseFromEnvironment(), paused, callerOf(event))
    return json(200, { paused })
  }
