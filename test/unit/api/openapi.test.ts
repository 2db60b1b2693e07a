import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, test } from 'vitest'
import { openapi } from '../../../src/api/openapi.ts'
import { routes } from '../../../src/api/routes.ts'
import { parseName } from '../../../src/words/names.ts'
import { problemCodes } from '../../../src/words/problem.ts'

const document = (await openapi()) as {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, { properties: Record<string, { enum?: string[] }> }> }
}
interface Operation {
  operationId: string
  parameters?: { name: string; in: string; required?: boolean; schema?: { pattern?: string } }[]
  requestBody?: { content: Record<string, unknown> }
  responses: Record<string, { content: Record<string, unknown> }>
}

const operationOf = (id: string): Operation | undefined =>
  Object.values(document.paths)
    .flatMap((methods) => Object.values(methods))
    .find(({ operationId }) => operationId === id)
const headersOf = (operation: Operation | undefined): string[] =>
  (operation?.parameters ?? []).filter((each) => each.in === 'header').map(({ name }) => name)

const canBeRead = (name: string): boolean => {
  try {
    return parseName(name) !== undefined
  } catch {
    return false
  }
}

describe('the OpenAPI file', () => {
  test('is valid', async () => {
    const validator = new Validator()
    expect(await validator.validate(structuredClone(document))).toEqual({ valid: true })
    expect(validator.version).toBe('3.1')
  })

  test('describes every route but itself, and nothing else', () => {
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    const served = Object.values(routes).map(({ method, path }) => `${method} ${path}`)
    expect(described.sort()).toEqual(served.filter((route) => route !== 'GET /openapi.json').sort())
    expect(document.openapi).toMatch(/^3\.1\./)
  })

  test('has a parameter for each place in a path', () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const { parameters = [] } of Object.values(methods)) {
        const places = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
        expect(parameters.filter((each) => each.in === 'path').map(({ name }) => name)).toEqual(places)
      }
    }
  })

  test('tells of problems on every route, with all their codes', () => {
    for (const methods of Object.values(document.paths)) {
      for (const { responses } of Object.values(methods)) {
        expect(responses.default?.content).toHaveProperty(['application/problem+json'])
      }
    }
    expect(document.components.schemas.Problem?.properties.code?.enum).toEqual(problemCodes)
  })

  test.each([
    ['createView', ['Prefer', 'Idempotency-Key']],
    ['refreshView', ['Prefer', 'Idempotency-Key']],
    ['dropView', ['Prefer', 'Idempotency-Key']],
    ['startBatch', ['Idempotency-Key']],
    ['cancelRun', ['Prefer']],
    ['cancelBatch', ['Prefer']],
    ['pauseView', []],
    ['resumeView', []],
    ['pauseAll', []],
    ['resumeAll', []],
  ])('%s reads the headers %j', (id, headers) => {
    expect(headersOf(operationOf(id))).toEqual(headers)
  })

  test.each([
    ['2147483647', true],
    ['sales', true],
    ['app.sales', true],
    ['"Odd.Name"."with ""quotes"""', true],
    ['größe.\u{1f600}_\u{20000}', true],
    ['\u{1f600}'.repeat(15), true],
    ['9sales', false],
    ['a-b', false],
    ['a.b.c', false],
    ['a b', false],
    ['"open', false],
  ])('says whether %s may be a view: %s', (text, isOne) => {
    const { schema } = operationOf('getView')?.parameters?.find(({ name }) => name === 'view') ?? {}
    // Clients read patterns as Unicode or not.
    for (const flags of ['', 'u', 'v']) expect(new RegExp(schema!.pattern!, flags).test(text)).toBe(isOne)
    expect(/^\d+$/.test(text) || canBeRead(text)).toBe(isOne)
  })

  test('no GET reads a header', () => {
    const reads = Object.values(document.paths).flatMap(({ get }) => get ?? [])
    expect(reads.flatMap(headersOf)).toEqual([])
    expect(reads.length).toBeGreaterThan(5)
  })

  test('says what a body holds', () => {
    expect(operationOf('refreshView')?.requestBody?.content).toHaveProperty(['application/json'])
  })
})
