-- One row per trigger, with why it is not mailed now (NULL: it is): one mail a learner, and one an address.
with

triggers as (
    select * from {{ ref('int_mailout_triggers') }}
),

exclusions as (
    select * from {{ ref('int_mailout_exclusions') }}
),

mails_had as (
    select * from {{ ref('int_mailout_mails_had') }}
),

learners as (
    select * from {{ ref('learners') }}
),

triggers_with_mails_had as (
    select
        triggers.student_id,
        triggers.trigger_course,
        triggers.is_certified,
        triggers.trigger_position,
        lower(trim(learners.email)) as address,
        exclusions.excluded_reason as own_reason,
        coalesce(mails_had.had_another_courses_mail, false) as had_another_courses_mail,
        coalesce(mails_had.had_another_accounts_mail, false) as had_another_accounts_mail
    from triggers
    inner join learners on triggers.student_id = learners.student_id
    inner join exclusions
        on
            triggers.student_id = exclusions.student_id
            and triggers.trigger_course = exclusions.trigger_course
    left join mails_had
        on
            triggers.student_id = mails_had.student_id
            and triggers.trigger_course = mails_had.trigger_course
),

ranked_for_learner as (
    select
        *,
        row_number() over (
            partition by student_id, own_reason is null
            order by
                had_another_courses_mail or had_another_accounts_mail,
                is_certified desc,
                trigger_position desc
        ) as rank_for_learner
    from triggers_with_mails_had
),

learners_choices as (
    select
        *,
        coalesce(
            own_reason,
            if(had_another_courses_mail or rank_for_learner > 1, 'another course''s mail', null)
        ) as learners_reason
    from ranked_for_learner
),

ranked_for_address as (
    select
        *,
        row_number() over (
            partition by address, learners_reason is null and not had_another_accounts_mail
            order by is_certified desc, trigger_position desc, student_id asc
        ) as rank_for_address
    from learners_choices
),

final as (
    select
        student_id,
        trigger_course,
        coalesce(
            learners_reason,
            if(had_another_accounts_mail or rank_for_address > 1, 'same address', null)
        ) as excluded_reason
    from ranked_for_address
)

select * from final
