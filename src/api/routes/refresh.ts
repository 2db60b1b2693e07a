import * as z from 'zod/mini'
import { strategies } from '../../catalog/plan/definition.ts'
import { operation, operationFields } from '../operation.ts'
import { described, named, text, viewPath, withoutChecks } from '../request-fields.ts'

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
        slices: described(
          z.optional(
            z.strictObject({
              from: text(1000),
              to: text(1000),
              by: described(z.optional(text(63)), {
                description:
                  'A column by which the view falls into slices; by default that of its definition, or the only one.',
              }),
            }),
          ),
          {
            description:
              'Computes only the rows anew whose `by` is between these two values, ends included, and keeps all others.',
          },
        ),
      }),
    ),
  },
  perform: async (request, call) => (await import('../../run/refresh.ts')).refresh(request, call),
})
