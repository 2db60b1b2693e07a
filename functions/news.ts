import { readConfiguration } from '../src/api/lambda/configuration.ts'
import { eventFunction } from '../src/api/lambda/function.ts'
import { answerNews } from '../src/api/lambda/news.ts'

/** Says what has to be told now: people, for `notify`, and programs, for `announce`. Neither can reach the database. */
export const handler = eventFunction((event) => answerNews(event, readConfiguration()))
