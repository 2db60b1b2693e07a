import { once } from 'node:events'
import { fromUrl } from '../../../src/keeper/database-url.ts'
import { connectTo } from '../../../src/server/connect.ts'
import { type Scene, type WayName, wayOf } from './ways.ts'

/**
 * A process to kill, to freeze or to lie to about the time. Its argument is a URL. It prints `ready`; then a line says which way
 * it goes, in which scene, and how wrong its clock is.
 */
const [url] = process.argv.slice(2) as [string]

process.stdout.write('ready\n')
const [line] = await once(process.stdin, 'data')
const [way, scene, wrongMs] = JSON.parse(String(line)) as [WayName, Scene, number]

const right = Date.now.bind(Date)
Date.now = () => right() + wrongMs
const told = await wayOf(way)
  .perform(connectTo(fromUrl(url)), scene)
  .catch((error) => error.code ?? String(error))
process.stdout.write(told)
process.exit(0)
