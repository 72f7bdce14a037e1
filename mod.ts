/**
 * Follows the features of sparse autoencoders (SAEs) through a language model's training.
 *
 * In the order of the flow: a sweep file names checkpoints, SAEs and tokens; a model and an SAE
 * become one graph; the graph runs on the tokens; activations are kept sparse; the features of the
 * last checkpoint are matched with those of every other by the argmax of activation cosine; matches
 * become curves, histograms and a page.
 *
 * No native code is loaded until a session is made.
 *
 * @example Which early feature was it?
 * ```ts
 * import assert from "node:assert/strict";
 * import { matchFeatures, sparsify } from "./mod.ts";
 *
 * // Rows are tokens, columns are features; the last checkpoint against an early one.
 * const last = sparsify(new Float32Array([1, 0, 2, 0, 0, 3]), 2);
 * const early = sparsify(new Float32Array([0, 2, 0, 4, 6, 0]), 2);
 *
 * assert.deepEqual([...matchFeatures(last, early).best], [1, 0]);
 * ```
 *
 * @example A whole sweep, from files to a page
 * ```ts ignore
 * import { extractSweep, matchSweep, readSweep, writeReport } from "./mod.ts";
 *
 * const sweep = await readSweep("sweep.json");
 * await extractSweep(sweep, "out");
 * const summary = await matchSweep(sweep, "out");
 * await writeReport(summary, "out", { appearingAt: 128 });
 * ```
 *
 * @module
 */

export { DataError, type DataErrorDetail, refuseMember, show } from "./src/errors.ts";
export {
  type ByteSink,
  bytesInMemory,
  type ByteSource,
  openFile,
  sha256,
  writeFile,
} from "./src/files.ts";
export {
  type Dtype,
  encodeSafetensors,
  getEntry,
  readEntries,
  readFloats,
  type Tensor,
  type TensorEntry,
} from "./src/safetensors.ts";
export { readTorchEntries } from "./src/torch_zip.ts";
export { readWeights, type Weights } from "./src/weights.ts";
export { type Hook, type HookPoint, hookPoints, parseHook } from "./src/hooks.ts";
export {
  type Attribute,
  type Builder,
  buildGraph,
  type Constant,
  encodeModel,
  type Graph,
  type Node,
  type Port,
  type Value,
} from "./src/onnx.ts";
export { type ConfigJson } from "./src/model_config.ts";
export { type Activation, type GateActivation } from "./src/layers.ts";
export { type NeoxConfig, neoxGraph, parseNeoxConfig } from "./src/gpt_neox.ts";
export { type Gpt2Config, gpt2Graph, parseGpt2Config } from "./src/gpt2.ts";
export { type LlamaConfig, llamaGraph, parseLlamaConfig } from "./src/llama.ts";
export { olmo2Graph, parseOlmo2Config } from "./src/olmo2.ts";
export { type Head, type HookOptions, type Model, readModel } from "./src/model.ts";
export {
  type LogitLens,
  logitLens,
  readUnembedding,
  type TokenLogits,
  type Unembedding,
} from "./src/logit_lens.ts";
export { readTokenTexts, textOf, type TokenTexts } from "./src/token_text.ts";
export { type NormalizationKind, parseSaeConfig, type SaeConfig } from "./src/sae_config.ts";
export {
  detectSaeFormat,
  type ExpectedL0,
  findCheckpointIndex,
  type Normalization,
  placeSae,
  readSae,
  type Sae,
  type SaeActivation,
  type SaeFormat,
  type SaePlace,
  type SaeStatement,
  type SaeTold,
} from "./src/sae.ts";
export { type Conventional, conventions } from "./src/sae_conventions.ts";
export { type Checked, checkingRunner, type FirstTokens, selfCheck } from "./src/sae_check.ts";
export { type NpyArray } from "./src/npy.ts";
export { readNpzArrays } from "./src/npz.ts";
export { readRecord, readZip, type ZipOptions, type ZipRecord } from "./src/zip.ts";
export {
  automaticProviders,
  type Device,
  devices,
  type GraphForm,
  graphForms,
  type Provider,
} from "./src/device.ts";
export {
  type BlockEncoded,
  blocksOf,
  type DenseEncoded,
  type Encoded,
  sparseRows,
} from "./src/blocks_out.ts";
export { denormalisation, encoderGraph, saeGraph } from "./src/encoder.ts";
export {
  createEncoder,
  type Encoder,
  type Feed,
  type GraphPlan,
  openGraph,
  openSession,
  planGraph,
  planSession,
  type Session,
  type SessionOptions,
  type SessionPlan,
} from "./src/session.ts";
export {
  chooseDevice,
  type Chosen,
  type Computed,
  type Difference,
  firstDifference,
} from "./src/device_check.ts";
export { type Allocate, ownMemory, sharedMemory } from "./src/memory.ts";
export {
  type ColumnSums,
  columnSums,
  concatenate,
  sliceRows,
  type Sparse,
  sparsify,
  transpose,
} from "./src/sparse.ts";
export { checkVocabulary, readTokens, type TokenOptions, type Tokens } from "./src/tokens.ts";
export {
  type Quality,
  type QualityMeter,
  qualityMeter,
  type ReconstructionSums,
  type SequenceSums,
  sequenceSums,
} from "./src/quality.ts";
export {
  type DecodingSae,
  type EncodedRows,
  type EncodedRun,
  encodeRun,
  type Run,
  runHere,
  type Runner,
  type RunPlan,
} from "./src/encode_run.ts";
export { extract, type ExtractOptions, spread } from "./src/extract.ts";
export {
  type Agreement,
  agreeOnHook,
  type Checkpoint,
  checkpointsAt,
  type Losses,
  type NamedPath,
  pythiaSteps,
  readSweep,
  type SaePath,
  type Sweep,
} from "./src/sweep.ts";
export {
  compareRevisions,
  parseRevision,
  type Revision,
  stanfordSteps,
  type TokensPerStep,
  tokensPerStep,
  trainingTokens,
} from "./src/revisions.ts";
export { type FindOnDisk, hubPath, resolveName } from "./src/hub_path.ts";
export {
  type HubFile,
  type HubName,
  isHubName,
  parseHubName,
  showHubName,
} from "./src/hub_name.ts";
export { type Fill } from "./src/hub_blob.ts";
export { type CachedFile, keepCommit, keepFile, type Lock } from "./src/hub_cache.ts";
export { getJson, type NetworkOptions, type NetworkRequest, type Refusal } from "./src/network.ts";
export { openUrl } from "./src/hub_bytes.ts";
export { type Hub, type HubCommit, type HubOptions, type HubRevision, openHub } from "./src/hub.ts";
export { type FetchedWeights, fetchedWeights, type RepoListener } from "./src/hub_repo.ts";
export { type FetchListener, fetchSweep, type FetchSweepOptions } from "./src/fetch_sweep.ts";
export { readWandbRuns, type WandbAccess, type WandbQuery, type WandbRun } from "./src/wandb.ts";
export { readWandbFile } from "./src/wandb_file.ts";
export {
  type HubAccess,
  type Listed,
  listFamily,
  listHubModels,
  listModels,
  listRuns,
  listSaes,
  readHubRevisions,
} from "./src/list_checkpoints.ts";
export { repositoryOf, stepOf, type ToldStep } from "./src/sae_steps.ts";
export {
  type MadeCheckpoint,
  type MadeSweep,
  makeSweep,
  type MakeSweepOptions,
} from "./src/make_sweep.ts";
export {
  type Column,
  type Columns,
  type ColumnType,
  type ColumnTypes,
  type ItemType,
  type Metadata,
} from "./src/columns.ts";
export {
  type Batch,
  openTable,
  type TableReader,
  type TableWriter,
  tableWriter,
  writeTable,
} from "./src/arrow.ts";
export { checkMadeFrom, type SourceFile, type TableInfo } from "./src/metadata.ts";
export { type Activations, activationsOf, type Pair, rowBlocks } from "./src/blocks.ts";
export {
  type ActivationInfo,
  activationsWriter,
  activationTypes,
  openActivations,
  readActivationInfo,
  readActivations,
  readNorms,
  readTokenIds,
  readTokensInfo,
  type TokensInfo,
  writeTokens,
} from "./src/activation_table.ts";
export {
  type ExtractListener,
  extractSweep,
  type ExtractSweepOptions,
} from "./src/extract_sweep.ts";
export {
  decoderCosines,
  emptyMatch,
  inDegrees,
  type Match,
  matchFeatures,
  mutualMatches,
  thresholds,
} from "./src/match.ts";
export {
  type CommonSums,
  type FeatureSums,
  measure,
  type Metric,
  metricNames,
  metrics,
} from "./src/measures.ts";
export { createMatcher, type Matcher, type MatcherOptions } from "./src/matcher.ts";
export { checkProducts, type DenseBackend, type DenseTensor } from "./src/dense_backend.ts";
export { matchDense, type MatchDenseOptions } from "./src/match_dense.ts";
export { type DenseDevice, loadTfjs, type LoadTfjsOptions } from "./src/tfjs.ts";
export { type TokenClass, tokenClass, tokenShares } from "./src/token_share.ts";
export {
  type EmergenceFollower,
  emergenceFollower,
  type EmergenceInterval,
} from "./src/emergence_replicas.ts";
export { type Support, type SupportMeter, supportMeter } from "./src/support.ts";
export {
  type GroupSums,
  type PairSums,
  pairSums,
  type PairSumsOptions,
  type PartnerSums,
} from "./src/pair_sums.ts";
export {
  groupEnds,
  markedShares,
  type PairScores,
  pairScores,
  type ReplicaOptions,
  replicas,
} from "./src/pair_scores.ts";
export {
  chained,
  type ChainedFrame,
  frameAgreement,
  type LineageEvents,
  lineageEvents,
  type Lineages,
  lineages,
  lineageSurvival,
} from "./src/lineages.ts";
export {
  onTokens,
  type TokenMark,
  tokenMarks,
  type TokenSet,
  tokenSet,
  type TokenSetParts,
} from "./src/token_set.ts";
export {
  exchanged,
  type Nulls,
  rotated,
  rotations,
  significance,
  strangersIn,
} from "./src/nulls.ts";
export {
  type Matched,
  type MatchInfo,
  readLink,
  readMatch,
  writeLink,
  writeMatch,
  writeReverse,
} from "./src/match_table.ts";
export { randomFrom, sample } from "./src/random.ts";
export { falseDiscovery, isotonic, quantile, type Survival, survival } from "./src/statistics.ts";
export {
  emergence,
  type HalfRise,
  halfRise,
  type Lifecycle,
  lifecycle,
  type LifecycleOptions,
  lifecycles,
} from "./src/emergence.ts";
export {
  appearances,
  appearingFeatures,
  type CheckpointSummary,
  countMatched,
  distances,
  featuresByStability,
  histogram,
  type Summary,
} from "./src/summary.ts";
export { type FeaturePath, featurePaths, featuresByEmergence } from "./src/paths.ts";
export { type Frames, framesOf, isSame, sameCheckpoints } from "./src/frames.ts";
export { writeFeatures, writeSummary } from "./src/summary_table.ts";
export {
  readTextTokens,
  sequenceFiller,
  type SequenceOptions,
  type TextTokenOptions,
  type TextTokens,
} from "./src/text_tokens.ts";
export { readTokenizer, type TextTokenizer } from "./src/tokenizer.ts";
export { audit } from "./src/audit.ts";
export {
  type AuditedCheckpoint,
  type Finding,
  type FindingKind,
  findingKinds,
} from "./src/audit_findings.ts";
export { type Fingerprint } from "./src/fingerprints.ts";
export { type Audit, type AuditInfo, findAudit, readAudit, writeAudit } from "./src/audit_table.ts";
export {
  type AuditOptions,
  auditSweep,
  type ListedFile,
  type ListFiles,
} from "./src/audit_sweep.ts";
export { refuseDuplicates, sameWeights, type WeightsAtStep } from "./src/duplicates.ts";
export { matchSweep, type MatchSweepOptions } from "./src/match_sweep.ts";
export {
  agreementFigure,
  appearingCountsFigure,
  appearingFigure,
  birthsDeathsFigure,
  chanceFigure,
  cosineMapFigure,
  decoderHistogramFigure,
  distanceMatrixFigure,
  type Figure,
  lifecycleFlowFigure,
  lifecycleStripFigure,
  lossFigure,
  matchedFractionFigure,
  rotationFigure,
  similarityHistogramFigure,
  survivalFigure,
} from "./src/figures.ts";
export { type ScaleUpdate, type StepScale, type Trace } from "./src/axes.ts";
export { type ReportOptions, reportPage } from "./src/report.ts";
export { readPlotly } from "./src/plotly.ts";
export { writeReport } from "./src/write_report.ts";
export {
  encodeTensors,
  type RawFile,
  type RawTensor,
  readTensors,
} from "./src/write_safetensors.ts";
export {
  countReordered,
  featureAxes,
  type FeatureAxis,
  type ReorderInfo,
  reorderTensor,
  reorderTensors,
} from "./src/reorder.ts";
export { type ReorderOrigin, writeReordered, writeReorderedSae } from "./src/write_reordered.ts";
export { type DevtoolsEvent } from "./src/faults.ts";
export { chromiumPaths, type Devtools, findChromium } from "./src/devtools.ts";
export {
  type Browser,
  openBrowser,
  type Page,
  type ScreenshotOptions,
  type View,
} from "./src/browser.ts";
export {
  type PictureFormat,
  pictureFormats,
  type PictureOptions,
  writePictures,
} from "./src/pictures.ts";
export { readSummary } from "./src/read_summary.ts";
export { chooseFeatures, type FeatureChoice } from "./src/choose_features.ts";
export { type SiteOptions, writeSite, type WrittenSite } from "./src/write_site.ts";
export { lossEffects, type LossOptions, type Removal } from "./src/loss_effect.ts";
export {
  type Maybe,
  type SiteContext,
  type SiteFeature,
  type SiteLogit,
  type SiteLogits,
  type SitePaths,
  type SiteTable,
} from "./src/site_data.ts";
export {
  type NeuronpediaAbout,
  type NeuronpediaActivation,
  type NeuronpediaBatch,
  neuronpediaBatch,
  type NeuronpediaFeature,
  writeNeuronpedia,
} from "./src/neuronpedia.ts";
export { exportNeuronpedia } from "./src/export_neuronpedia.ts";
