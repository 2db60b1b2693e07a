import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, test } from 'vitest'
import { openapi } from '../../../src/edge/http/openapi.ts'
import { routes } from '../../../src/edge/http/routes.ts'
import { problemCodes } from '../../../src/problem.ts'

const document = openapi() as {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, { properties: Record<string, { enum?: string[] }> }> }
}
interface Operation {
  operationId: string
  parameters?: { name: string; in: string; required?: boolean }[]
  requestBody?: { content: Record<string, unknown> }
  responses: Record<string, { content: Record<string, unknown> }>
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

  test('says how to wait and how to repeat', () => {
    const refresh = document.paths['/views/{view}/refresh']?.post
    expect(refresh?.parameters?.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['view', 'Prefer', 'Idempotency-Key']),
    )
    expect(refresh?.requestBody?.content).toHaveProperty(['application/json'])
  })
})
