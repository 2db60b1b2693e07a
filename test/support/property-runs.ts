import fc from 'fast-check'
import { counts } from './counts.ts'

// Loaded before each test file.
fc.configureGlobal({ numRuns: counts.properties })
