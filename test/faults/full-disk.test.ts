import { testCells } from './support/test-cells.ts'

testCells('the disk is filled')
