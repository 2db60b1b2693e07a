import * as z from 'zod/mini'
import { operation, operationFields } from '../operation.ts'
import { described, named, viewPath } from '../request-fields.ts'

export const createView = operation({
  method: 'POST',
  path: '/views/{view}/create',
  policy: 'define',
  function: 'create',
  says: 'Creates a view from its definition',
  takes: {
    path: viewPath,
    body: named(
      'CreateOptions',
      z.strictObject({
        force: described(z.optional(z.boolean()), {
          description:
            'Replaces an existing view if nothing depends on it; by default an existing view is left as it is.',
        }),
        withData: described(z.optional(z.boolean()), {
          description: 'Whether the view is filled; by default true.',
        }),
        ...operationFields,
      }),
    ),
  },
  perform: async (request, call) => (await import('../../run/create.ts')).create(request, call),
})

export const dropView = operation({
  method: 'POST',
  path: '/views/{view}/drop',
  policy: 'define',
  function: 'drop',
  says: 'Drops a view',
  takes: {
    path: viewPath,
    body: named(
      'DropOptions',
      z.strictObject({
        cascade: described(z.optional(z.boolean()), {
          description: 'Whether to drop what depends on the view, too; by default false.',
        }),
        ifExists: described(z.optional(z.boolean()), {
          description: 'Whether a missing view is skipped instead of refused; by default true.',
        }),
        ...operationFields,
      }),
    ),
  },
  perform: async (request, call) => (await import('../../run/drop.ts')).drop(request, call),
})
