import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { portOf } from '../../../serve/process/options.ts'
import { announceGateway, findGateway, localGateway } from '../../../serve/start/gateway-file.ts'

test('commands of a folder find the gateway that runs on it, whatever PORT says, and no dead one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gateway-'))
  const env = { DATA_DIR: folder, PORT: '3000' }
  expect(localGateway(env)).toBe('http://127.0.0.1:3000')
  const forget = announceGateway(folder, 'http://127.0.0.1:8791')
  expect(localGateway(env)).toBe('http://127.0.0.1:8791')
  await forget()
  expect(findGateway(folder)).toBeUndefined()
  writeFileSync(join(folder, 'gateway.json'), JSON.stringify({ pid: 2 ** 30, url: 'http://127.0.0.1:1' }))
  expect(localGateway({ DATA_DIR: folder })).toBe('http://127.0.0.1:8787')
})

test('a PORT that is no port is refused in words', () => {
  expect(() => portOf({ PORT: 'abc' })).toThrow('PORT is abc: it must be a number from 1 to 65535')
  expect(portOf({ PORT: '' })).toBeUndefined()
})
