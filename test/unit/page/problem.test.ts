import { expect, test } from 'vitest'
import { problemOf, unreachable } from '../../../page/app/api/problem.ts'

const told = (code: string) => problemOf(503, { code, title: 'Title', detail: 'What to do.' })

test('a problem of the API has a section in the runbook', () => {
  expect(told('AlreadyRunning').runbook).toBe('AlreadyRunning')
})

test.each([
  'Forbidden',
  'NoCredentials',
  'NotAllowed',
  'NotReached',
  'NoAnswer',
  'TooManyRequests',
  'TooLarge',
  'MethodNotAllowed',
  'GatewayTimeout',
])('%s of the proxy or of the local gateway has no section in the runbook', (code) => {
  expect(told(code).runbook).toBeUndefined()
})

test.each([[403], [429], [502]])(
  'an answer of API Gateway with %i has no section in the runbook',
  (status) => {
    expect(problemOf(status, { message: 'No.' }).runbook).toBeUndefined()
  },
)

test('a page without an answer refers to no section of the runbook', () => {
  expect(unreachable().runbook).toBeUndefined()
})
