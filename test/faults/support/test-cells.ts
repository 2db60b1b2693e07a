import { afterAll, beforeAll, test } from 'vitest'
import { note, runCell } from './cell.ts'
import { cellsOf } from './cells.ts'
import type { FaultName } from './faults.ts'
import { makeWorld, type World } from './world.ts'

/** It is then only raised that the disk is full. */
const noDisk = 'this machine lets this user mount no disk'

/** A test for each cell of these faults, on a server of their own. */
export function testCells(...faults: FaultName[]): void {
  const onSmallDisk = faults.includes('the disk is filled')
  let world: World
  beforeAll(async () => {
    world = await makeWorld({ onSmallDisk })
  })
  afterAll(() => world?.stop())
  for (const cell of cellsOf(...faults))
    test(`${cell.fault}: ${cell.way}, ${cell.phase}`, async () => {
      if (onSmallDisk && world.disk === undefined) note({ ...cell, told: noDisk, runs: [], settled: false })
      else await runCell(world, cell)
    })
}
