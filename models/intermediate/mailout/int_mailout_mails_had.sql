-- One row per trigger of whose learner, or of whose learner's address, the ledger tells of a mail.
with

triggers as (
    select * from {{ ref('int_mailout_triggers') }}
),

learners as (
    select * from {{ ref('learners') }}
),

all_tries as (
    select * from {{ ref('stg_mailing__mails') }}
),

-- a mail whose outcome is unknown may have been read
mails as (
    select
        student_id,
        lower(trim(email)) as address,
        lower(trigger_course_instance) as run_key,
        trigger_course_verified = 1 as is_of_certificate,
        intended_at,
        program = '{{ var("program") }}' as is_of_this_program
    from all_tries
    where status in ('sent', 'unknown')
),

learners_mails as (
    select
        triggers.*,
        mails.run_key as mailed_run_key,
        mails.is_of_certificate,
        mails.intended_at,
        mails.is_of_this_program,
        true as is_own
    from triggers
    inner join mails on triggers.student_id = mails.student_id
),

other_accounts_mails as (
    select
        triggers.*,
        mails.run_key as mailed_run_key,
        mails.is_of_certificate,
        mails.intended_at,
        mails.is_of_this_program,
        false as is_own
    from triggers
    inner join learners on triggers.student_id = learners.student_id
    inner join mails
        on
            lower(trim(learners.email)) = mails.address
            and triggers.student_id != mails.student_id
),

all_mails as (
    select * from learners_mails
    union all
    select * from other_accounts_mails
),

-- A program's mailout lasts until there is a newer grade report: until then, whoever had a mail for one
-- course gets none for another. Of a mail whose intent was cut off nobody knows when that was.
compared as (
    select
        student_id,
        trigger_course,
        is_own,
        lower(trigger_course_instance) = mailed_run_key as is_same_run,
        is_certified = is_of_certificate as is_same_kind,
        is_of_this_program and coalesce(reported_at < intended_at, true) as is_of_this_mailout
    from all_mails
),

final as (
    select
        student_id,
        trigger_course,
        bool_or(is_same_run and is_same_kind) as had_this_mail,
        bool_or(is_own and not is_same_run and is_of_this_mailout) as had_another_courses_mail,
        bool_or(not is_own and is_of_this_mailout) as had_another_accounts_mail
    from compared
    group by student_id, trigger_course
)

select * from final
