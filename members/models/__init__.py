"""Who members are, what they did and what they hold."""

from members.models.approvals import (
    Adjustment,
    AdjustmentReason,
    Approval,
    ApprovalPolicy,
    Evidence,
    Reinstatement,
    StaffDay,
)
from members.models.attributes import AttributeChange, AttributeDefinition, MemberAttribute
from members.models.batches import PointBatch, PointBatchRow
from members.models.commerce import Purchase, PurchaseLine, Return, ReturnLine
from members.models.integration import (
    ApiClient,
    ExpiryNotice,
    Heartbeat,
    IdempotencyRecord,
    JobRun,
    OutboxEvent,
)
from members.models.ledger import (
    LedgerAccount,
    LedgerActivity,
    LedgerEntry,
    LedgerHold,
    LedgerNote,
    LedgerTransaction,
)
from members.models.lots import LotUse, PointLot
from members.models.merging import MemberMerge, MergeCandidate
from members.models.operations import LedgerReport, Rehearsal, RehearsalLine
from members.models.orders import PointsOrder
from members.models.partners import (
    Partner,
    PartnerBalance,
    PartnerFunding,
    PartnerMovement,
    PartnerRate,
    PartnerStatement,
)
from members.models.people import (
    BirthDateChange,
    ConsentRecord,
    DataExport,
    Identifier,
    Member,
    Message,
    User,
)
from members.models.pools import Pool, PoolInvite, PoolMembership
from members.models.program import PointCurrency, Program, Store
from members.models.proof import LedgerCheckpoint, LedgerNode, LedgerSeal, SealingState
from members.models.segments import Segment, SegmentMembership, SegmentMove, SegmentSnapshot
from members.models.standing import MemberScore, MemberTag, ScoreMove
from members.models.tiers import Tier, TierMembership
from members.models.transfers import Transfer
from members.models.tries import WrongTries

__all__ = [
    "Adjustment",
    "AdjustmentReason",
    "ApiClient",
    "Approval",
    "ApprovalPolicy",
    "AttributeChange",
    "AttributeDefinition",
    "BirthDateChange",
    "ConsentRecord",
    "DataExport",
    "Evidence",
    "ExpiryNotice",
    "Heartbeat",
    "IdempotencyRecord",
    "Identifier",
    "JobRun",
    "LedgerAccount",
    "LedgerActivity",
    "LedgerCheckpoint",
    "LedgerEntry",
    "LedgerHold",
    "LedgerNode",
    "LedgerNote",
    "LedgerReport",
    "LedgerSeal",
    "LedgerTransaction",
    "LotUse",
    "Member",
    "MemberAttribute",
    "MemberMerge",
    "MemberScore",
    "MemberTag",
    "MergeCandidate",
    "Message",
    "OutboxEvent",
    "Partner",
    "PartnerBalance",
    "PartnerFunding",
    "PartnerMovement",
    "PartnerRate",
    "PartnerStatement",
    "PointBatch",
    "PointBatchRow",
    "PointCurrency",
    "PointLot",
    "PointsOrder",
    "Pool",
    "PoolInvite",
    "PoolMembership",
    "Program",
    "Purchase",
    "PurchaseLine",
    "Rehearsal",
    "RehearsalLine",
    "Reinstatement",
    "Return",
    "ReturnLine",
    "ScoreMove",
    "SealingState",
    "Segment",
    "SegmentMembership",
    "SegmentMove",
    "SegmentSnapshot",
    "StaffDay",
    "Store",
    "Tier",
    "TierMembership",
    "Transfer",
    "User",
    "WrongTries",
]
