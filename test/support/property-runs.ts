import fc from 'fast-check'
import { counts } from './counts.ts'
import { seedOf } from './seeded.ts'

// Loaded before each test file.
fc.configureGlobal({ numRuns: counts.properties, seed: seedOf(1) })
