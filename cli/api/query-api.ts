import { parseXML } from '@aws-sdk/xml-builder'
import { Problem } from '../../src/words/problem.ts'
import { awsProblem, parametersOf, signerOf } from './aws.ts'

/** An element of an answer: a text, or elements by their names; those of one name are a list if there are several. */
export type Xml = string | { [name: string]: Xml | Xml[] | undefined }

/** AWS answered that there is no such thing. */
export class NotFound extends Error {}

/** Calls an action that reads, and returns the content of its answer. */
export type QueryApi = (
  service: keyof typeof versions,
  action: string,
  given: Record<string, string>,
) => Promise<Xml>

/** The versions of the APIs, as their references write them. */
const versions = { rds: '2014-10-31', ec2: '2016-11-15', sns: '2010-03-31' }

const requestMs = 10_000

/**
 * The query APIs of RDS, EC2 and SNS with the caller's AWS credentials. The SDK's own clients would be ten times as large as all
 * that is called here. A refusal names the action of IAM that is missing.
 */
export async function queryApiOf(region: string | undefined): Promise<{ region: string; call: QueryApi }> {
  const { config } = parametersOf(region)
  const inRegion = await readRegion(() => config.region())
  const signers = { rds: signerOf(region, 'rds'), ec2: signerOf(region, 'ec2'), sns: signerOf(region, 'sns') }
  const call: QueryApi = async (service, action, given) => {
    const url = addressOf(service, inRegion)
    const body = new URLSearchParams({ Action: action, Version: versions[service], ...given }).toString()
    const { headers } = await signers[service].sign({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
      body: Buffer.from(body),
    })
    const signal = AbortSignal.timeout(requestMs)
    const answer = await fetch(url, { method: 'POST', headers, body, signal }).catch((error: Error) => {
      throw unreached(url, error)
    })
    const xml = parse(await answer.text(), url)
    if (!answer.ok) throw refusal(`${service}:${action}`, xml)
    const [content] = Object.values(xml)
    return (content as Record<string, Xml>)[`${action}Result`] ?? (content as Xml)
  }
  return { region: inRegion, call }
}

async function readRegion(read: () => Promise<string>): Promise<string> {
  try {
    return await read()
  } catch (error) {
    if (!(error as Error).message.startsWith('Region not accepted')) throw awsProblem(error as Error)
    throw new Problem('InvalidRequest', '--region: must look like "eu-central-1". Nothing was written.', {
      field: '--region',
    })
  }
}

/** The address of a service, or the one that the variables of the AWS SDK name. */
function addressOf(service: keyof typeof versions, region: string): URL {
  const { [`AWS_ENDPOINT_URL_${service.toUpperCase()}`]: own, AWS_ENDPOINT_URL: all } = process.env
  const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  return new URL(own ?? all ?? `https://${service}.${region}.${suffix}/`)
}

function parse(text: string, url: URL): Record<string, Xml> {
  try {
    return parseXML(text)
  } catch {
    throw unreached(url, new Error('the answer is no XML'))
  }
}

const unreached = (url: URL, error: Error): Problem =>
  new Problem(
    'FunctionUnavailable',
    `${url.host} cannot be read (${(error.cause as Error | undefined)?.message ?? error.message}). Look at the network and at the region. Nothing was written.`,
    { cause: error },
  )

/** What an answer with an error means. RDS and EC2 name their errors in elements of different depth. */
function refusal(action: string, xml: Record<string, Xml>): Error {
  const text = JSON.stringify(xml)
  const read = (name: string) => new RegExp(`"${name}":"((?:[^"\\\\]|\\\\.)*)"`).exec(text)?.[1] ?? ''
  const [code, message] = [read('Code'), read('Message')]
  if (/NotFound/.test(code)) return new NotFound(message)
  if (/AccessDenied|UnauthorizedOperation/.test(code))
    return new Problem(
      'InsufficientPrivilege',
      `Your AWS credentials may not call ${action}. Allow it to them, or name others (AWS_PROFILE). Nothing was written.`,
    )
  return awsProblem(Object.assign(new Error(`${action}: ${code} ${message}`), { name: code }))
}

/** The elements of this name below a path of names. */
export function listIn(xml: Xml | Xml[] | undefined, ...path: string[]): Xml[] {
  const [first, ...others] = path
  if (xml === undefined || xml === '') return []
  if (Array.isArray(xml)) return xml.flatMap((each) => listIn(each, ...path))
  if (first === undefined) return [xml]
  return typeof xml === 'string' ? [] : listIn(xml[first], ...others)
}

/** The text of the first element of this path; undefined if it is not there, or empty. */
export function textIn(xml: Xml, ...path: string[]): string | undefined {
  const [found] = listIn(xml, ...path)
  return typeof found === 'string' ? found : undefined
}
