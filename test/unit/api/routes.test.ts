import { readdirSync } from 'node:fs'
import { LambdaClient } from '@aws-sdk/client-lambda'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { functions } from '../../../src/api/functions.ts'
import { openapi } from '../../../src/api/openapi.ts'
import { routeKey } from '../../../src/api/route.ts'
import { type RouteName, routes } from '../../../src/api/routes.ts'
import { httpEvent, lambdaContext, parsed } from '../../support/aws/lambda.ts'
import { muteConsole } from '../../support/console.ts'

// No server listens on this port: every handler that needs a database answers with 503.
const nowhere = 'postgres://postgres@127.0.0.1:1/postgres'

beforeEach(() => {
  vi.stubEnv('DATABASE_URL', nowhere)
  vi.stubEnv('AWS_REGION', 'eu-central-1')
  muteConsole()
})
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

/** Sends a request to the handler that Lambda calls, in the file of its function. */
async function call(functionName: string, key: string) {
  const { handler } = await import(`../../../functions/${functionName}.ts`)
  const values = { view: 'sales', id: '7' }
  const places = [...key.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as 'view' | 'id')
  const path = Object.fromEntries(places.map((name) => [name, values[name]]))
  return parsed(await handler(httpEvent(key, { path }), lambdaContext()))
}

describe('every declared route', () => {
  const declared = Object.entries(routes).map(([name, route]) => ({ name: name as RouteName, ...route }))

  test.each(declared)('$method $path is answered by the handler of $function', async (route) => {
    if (route.function === 'start-batch') {
      const { handler } = await import('../../../functions/batch.ts')
      vi.spyOn(LambdaClient.prototype, 'send').mockImplementation(async (command) => {
        const event = JSON.parse((command.input as { Payload: string }).Payload)
        const opened = await handler(event, lambdaContext())
        return { Payload: { transformToString: () => JSON.stringify(opened) } } as never
      })
    }
    const { statusCode, body } = await call(route.function, routeKey(route))
    if (route.name === 'getOpenapi')
      expect({ statusCode, body }).toEqual({ statusCode: 200, body: await openapi() })
    else expect({ statusCode, code: body.code }).toEqual({ statusCode: 503, code: 'DatabaseUnavailable' })
  })

  test.each([...new Set(declared.map((route) => route.function))].filter((name) => name !== 'start-batch'))(
    '%s refuses a route that is not declared',
    async (name) => {
      expect(await call(name, 'GET /nothing')).toMatchObject({
        statusCode: 404,
        body: { code: 'UnknownRoute', detail: 'There is no route GET /nothing.' },
      })
    },
  )
})

test('every function of the table has its file, and every file is in the table', () => {
  const files = readdirSync(new URL('../../../functions', import.meta.url))
  // Only CloudFormation calls deploy.
  expect(files.sort()).toEqual(
    Object.keys(functions)
      .map((name) => `${name}.ts`)
      .sort(),
  )
})
