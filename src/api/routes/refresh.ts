import * as z from 'zod/mini'
import { strategies } from '../../catalog/plan/definition.ts'
import { described, named, viewPath, withoutChecks } from '../fields.ts'
import { operation, operationFields } from '../operation.ts'

export const refreshView = operation({
  method: 'POST',
  path: '/views/{view}/refresh',
  policy: 'refresh',
  function: 'refresh',
  says: 'Refreshes a view',
  takes: {
    path: viewPath,
    body: named(
      'RefreshOptions',
      z.strictObject({
        strategy: described(z.optional(z.enum(strategies)), {
          description:
            "How to refresh; by default the view's own strategy, which is `auto` unless it was authored.",
        }),
        ...operationFields,
        force: described(z.optional(z.boolean()), {
          description:
            'Whether to refresh a view that is paused or was refreshed within its minimum interval; by default false.',
        }),
        withoutChecks,
      }),
    ),
  },
  perform: async (request, call) => (await import('../../run/refresh.ts')).refresh(request, call),
})
