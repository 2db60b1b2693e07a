import { answerPause, answerViewPause } from '../src/edge/handlers/pause.ts'
import { readConfiguration } from '../src/edge/lambda/configuration.ts'
import { httpFunction } from '../src/edge/lambda/function.ts'

/** Pauses and resumes one view, or everything that is scheduled, at once. */
export const handler = httpFunction<'pause'>(readConfiguration, {
  pauseView: answerViewPause(true),
  resumeView: answerViewPause(false),
  pauseAll: answerPause(true),
  resumeAll: answerPause(false),
})
