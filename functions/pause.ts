import { answerPause, answerViewPause } from '../src/edge/handlers/pause.ts'
import { routeKey, routes } from '../src/edge/http/routes.ts'
import { httpFunction } from '../src/edge/server/function.ts'

/** Stops what is scheduled and lets it go on, one view or everything, in force at once. */
export const handler = httpFunction({
  [routeKey(routes.pauseView)]: answerViewPause(true),
  [routeKey(routes.resumeView)]: answerViewPause(false),
  [routeKey(routes.pauseAll)]: answerPause(true),
  [routeKey(routes.resumeAll)]: answerPause(false),
})
