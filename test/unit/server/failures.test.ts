import { expect, test } from 'vitest'
import { problemOf, sqlstateOf } from '../../../src/server/failures.ts'

test.each(['EPIPE', 'ECONNRESET'])('%s of a socket is no SQLSTATE: the database is unavailable', (code) => {
  const error = Object.assign(new Error(`write ${code}`), { code })
  expect(sqlstateOf(error)).toBeUndefined()
  expect(problemOf(error)).toMatchObject({ code: 'DatabaseUnavailable' })
})
