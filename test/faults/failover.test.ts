import { testCells } from './support/test-cells.ts'

testCells('a standby is promoted')
