import { answerRoute, eventFunction } from '../src/edge/function.ts'
import type { HttpEvent } from '../src/edge/http.ts'
import { refreshOnSchedule, refreshOverHttp } from '../src/edge/refresh.ts'
import { routeKey, routes } from '../src/edge/routes.ts'

/** Refreshes one view, for the HTTP route and for schedules. */
export const handler = eventFunction<object, unknown>((event, context) =>
  'routeKey' in event
    ? answerRoute({ [routeKey(routes.refreshView)]: refreshOverHttp }, event as HttpEvent, context)
    : refreshOnSchedule(event, context),
)
