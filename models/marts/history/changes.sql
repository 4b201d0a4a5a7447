-- One row per learner, course run and kind of change since the run's previous download.
with

learner_course_history as (
    select * from {{ ref('learner_course_history') }}
),

downloads as (
    select * from {{ ref('int_downloads') }}
),

course_runs as (
    select * from {{ ref('int_course_runs_ordered') }}
),

enrollment_tracks as (
    select * from {{ ref('stg_seeds__enrollment_tracks') }}
),

states as (
    select
        history.*,
        history.grade >= course_runs.pass_grade as has_passed,
        history.certificate_eligible = 'Y' as is_certified,
        coalesce(enrollment_tracks.is_verified = 'true', false) as is_verified,
        history.is_reported and not ({{ has_left('history.enrollment_status') }}) as is_enrolled
    from learner_course_history as history
    inner join course_runs on history.course_instance = course_runs.course_instance
    left join enrollment_tracks on history.enrollment_track = enrollment_tracks.track
),

newest_downloads as (
    select *
    from downloads
    where previous_reported_at is not null and next_reported_at is null
),

moves as (
    select
        newest.reported_at as changed_at,
        newest.previous_reported_at,
        now_state.learner_id,
        now_state.course,
        now_state.course_instance,
        now_state.is_reported,
        now_state.is_enrolled,
        now_state.is_verified,
        now_state.is_certified,
        now_state.has_passed,
        now_state.enrollment_track,
        now_state.enrollment_status,
        now_state.certificate_eligible,
        {{ number_as_text('now_state.grade') }} as grade,
        previous_state.is_reported as was_reported,
        previous_state.is_enrolled as was_enrolled,
        previous_state.is_verified as was_verified,
        previous_state.is_certified as was_certified,
        previous_state.has_passed as had_passed,
        previous_state.enrollment_track as previous_track,
        previous_state.enrollment_status as previous_status,
        previous_state.certificate_eligible as previous_eligible,
        {{ number_as_text('previous_state.grade') }} as previous_grade
    from newest_downloads as newest
    inner join states as now_state
        on newest.course_instance = now_state.course_instance and newest.reported_at = now_state.valid_from
    left join states as previous_state
        on
            now_state.course_instance = previous_state.course_instance
            and now_state.learner_id = previous_state.learner_id
            and now_state.valid_from = previous_state.valid_to
),

kinds as (
    select known.change
    from (
        values
        ('newly passed'),
        ('newly certified'),
        ('upgraded'),
        ('unenrolled'),
        ('came back'),
        ('not in the report')
    ) as known (change)
),

-- a learner may have changed in several ways at once
final as (
    select
        moves.learner_id,
        moves.course,
        moves.course_instance,
        kinds.change,
        moves.previous_reported_at,
        moves.changed_at,
        case kinds.change
            when 'newly passed' then 'grade ' || moves.previous_grade
            when 'newly certified' then 'certificate_eligible ' || moves.previous_eligible
            when 'upgraded' then 'track ' || moves.previous_track
            when 'unenrolled' then moves.previous_status
            when 'came back' then if(moves.was_reported, moves.previous_status, 'not in the report')
            when 'not in the report' then coalesce(moves.previous_status, 'in the report')
        end as before,
        case kinds.change
            when 'newly passed' then 'grade ' || moves.grade
            when 'newly certified' then 'certificate_eligible ' || moves.certificate_eligible
            when 'upgraded' then 'track ' || moves.enrollment_track
            when 'unenrolled' then moves.enrollment_status
            when 'came back' then coalesce(moves.enrollment_status, 'in the report')
            when 'not in the report' then 'not in the report'
        end as after
    from moves
    inner join kinds
        on
            case kinds.change
                when 'newly passed' then moves.has_passed and not coalesce(moves.had_passed, false)
                when 'newly certified' then moves.is_certified and not coalesce(moves.was_certified, false)
                when 'upgraded' then moves.is_verified and not coalesce(moves.was_verified, true)
                when 'unenrolled'
                    then {{ has_left('moves.enrollment_status') }} and coalesce(moves.was_enrolled, false)
                when 'came back' then moves.is_enrolled and not coalesce(moves.was_enrolled, true)
                when 'not in the report' then not moves.is_reported and moves.was_reported
            end
)

select * from final
