import { expect, test } from 'vitest'
import { scramVerifier } from '../../../src/own-schema/db/role.ts'

test('a verifier is the one that PostgreSQL makes of the same password and salt', () => {
  // Taken from pg_authid of a server 18 after: create role x password 'pencil'
  const salt = Buffer.from('MSGY11ITAU0tbVP4WAd6QA==', 'base64')
  expect(scramVerifier('pencil', salt)).toBe(
    'SCRAM-SHA-256$4096:MSGY11ITAU0tbVP4WAd6QA==$/8+uJwoXairSO+opocmcgC1eyaMuKcp9fpVO6S1SrUQ=:/IcCW1XVubn+ZsKDakJoCki/AdJ1MR8rSD9wE+et2Vo=',
  )
  expect(scramVerifier('pencil')).not.toBe(scramVerifier('pencil'))
})
